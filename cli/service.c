/* dockerctl plan, health, thaw, link: of the service as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

/* A line for ${name}, which the columns of print_sources stand before. */
static void
print_named(const char *kind, const char *what, const char *name)
{
	say("%-10s  %10s  %15s  ", kind, what, "");
	paint(stdout, PAINT_NONE, 0, name);
	(void)putchar('\n');
}

static void
service_print_containers(const json_t *containers)
{
	const json_t *item;
	size_t i;

	json_array_foreach (containers, i, item) {
		print_named("container", client_text(item, "state"), client_text(item, "name"));
	}
}

/* By its names; one that has none by its id. */
static void
print_images(const json_t *images)
{
	const json_t *image, *tag;
	char size[SIZE_TEXT];
	size_t i, k;

	json_array_foreach (images, i, image) {
		const json_t *tags = json_object_get(image, "tags");

		(void)watch_size(json_integer_value(json_object_get(image, "size_bytes")), size);
		json_array_foreach (tags, k, tag) {
			print_named(
				k == 0 ? "image" : "", k == 0 ? size : "", json_string_value(tag));
		}
		if (json_array_size(tags) == 0)
			print_named("image", size, client_text(image, "id"));
	}
}

static void
print_sources(const json_t *sources)
{
	const json_t *source;
	char size[SIZE_TEXT];
	size_t i;

	json_array_foreach (sources, i, source) {
		say("%-10s  %10s  %9lld files  ", client_text(source, "kind"),
			watch_size(json_integer_value(json_object_get(source, "bytes")), size),
			(long long)json_integer_value(json_object_get(source, "files")));
		paint(stdout, PAINT_NONE, 0, client_text(source, "name"));
		(void)putchar('\n');
	}
}

int
command_plan(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *plan = NULL;
	const json_t *item, *freeze, *next;
	char span[UNITS_TEXT], when[UNITS_TEXT];
	size_t i;

	if (client_call(c, "GET", "/plan", NULL, &plan, e) != 0)
		return -1;
	if (a->json) {
		watch_json(plan);
		return 0;
	}
	service_print_containers(json_object_get(plan, "containers"));
	print_images(json_object_get(plan, "images"));
	print_sources(json_object_get(plan, "sources"));
	json_array_foreach (json_object_get(plan, "warnings"), i, item) {
		paint(stdout, PAINT_WARNING, 0, "warning: ");
		paint(stdout, PAINT_NONE, 0, json_string_value(item));
		(void)putchar('\n');
	}
	freeze = json_object_get(plan, "freeze");
	next = json_object_get(json_object_get(plan, "schedule"), "next_at");
	say("The containers would stand still for about %s (%s).\n",
		units_duration(json_integer_value(json_object_get(freeze, "predicted_ms")), span),
		strcmp(client_text(freeze, "from"), "backups") == 0 ? "from the last backups"
								    : "an estimate");
	if (json_is_string(next))
		say("The next backup by schedule begins at %s.\n",
			units_time(json_string_value(next), when));
	return 0;
}

static void
print_health(const json_t *health)
{
	const json_t *engine = json_object_get(health, "engine");
	const json_t *store = json_object_get(health, "store");
	const char *operation = client_text(health, "operation");
	const int64_t ahead_ms = json_integer_value(json_object_get(health, "clock_ahead_ms"));
	char used[SIZE_TEXT], room[SIZE_TEXT], span[UNITS_TEXT];
	const json_t *sentence;
	size_t i;

	say("status     ");
	paint(stdout, paint_state(client_text(health, "status")), 0, client_text(health, "status"));
	say("\nhost       ");
	paint(stdout, PAINT_NONE, 0,
		json_is_string(json_object_get(health, "host")) ? client_text(health, "host")
								: "not known yet");
	say("\nversion    %s\n", client_text(health, "version"));
	say("engine     %s\n", json_is_true(json_object_get(engine, "reachable"))
				       ? client_text(engine, "version")
				       : "cannot be reached");
	say("store      %s, %s in packs, %s free%s\n", client_text(store, "path"),
		watch_size(json_integer_value(json_object_get(store, "packs_bytes")), used),
		watch_size(json_integer_value(json_object_get(store, "free_bytes")), room),
		json_is_true(json_object_get(store, "encrypted")) ? ", encrypted" : "");
	if (ahead_ms != 0)
		say("clock      the engine's is %s %s the service's: set both right\n",
			units_duration(llabs(ahead_ms), span),
			ahead_ms > 0 ? "ahead of" : "behind");
	say("operation  %s\n", operation[0] == '\0' ? "none" : operation);
	json_array_foreach (json_object_get(health, "missing"), i, sentence) {
		paint(stdout, PAINT_BAD, 0, "missing    ");
		paint(stdout, PAINT_NONE, 0, json_string_value(sentence));
		(void)putchar('\n');
	}
}

int
command_health(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *health = NULL;

	if (client_call(c, "GET", "/health", NULL, &health, e) != 0)
		return -1;
	if (a->json)
		watch_json(health);
	else
		print_health(health);
	return strcmp(client_text(health, "status"), "ok") == 0
		       ? 0
		       : err_set(e, ERR_ENGINE, "no backup could begin now");
}

int
command_thaw(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *thawed = NULL;
	const json_t *names, *name;
	size_t i;

	if (client_call(c, "POST", "/thaw", NULL, &thawed, e) != 0)
		return -1;
	if (a->json) {
		watch_json(thawed);
		return 0;
	}
	names = json_object_get(thawed, "thawed");
	json_array_foreach (names, i, name) {
		paint_line(stdout, "%s runs again.", json_string_value(name));
	}
	if (json_array_size(names) == 0)
		say("Nothing was frozen.\n");
	return 0;
}

int
command_link(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *ticket = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/tickets", id);
	if (client_call(c, "POST", path, NULL, &ticket, e) != 0)
		return -1;
	if (a->json)
		watch_json(ticket);
	else
		say("%s%s\n", client_url(c), client_text(ticket, "url"));
	return 0;
}
