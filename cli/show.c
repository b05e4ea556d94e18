/* dockerctl show: all that people want to know of a backup. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

enum { LABEL_WIDTH = 11 };

static int64_t
show_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void
show_label(const char *text)
{
	say("%-*s ", LABEL_WIDTH, text);
}

/* A line whose text may come from anywhere. */
static void
line(const char *name, enum paint colour, const char *text)
{
	show_label(name);
	paint(stdout, colour, 0, text);
	(void)putchar('\n');
}

static void
print_made(const json_t *backup)
{
	const char *origin = client_text(backup, "origin");
	const json_t *imported = json_object_get(backup, "imported");
	SCOPED(free_at) char *how = NULL;
	char when[UNITS_TEXT], then[UNITS_TEXT];

	if (json_is_object(imported))
		how = mem_format(", on the host %s; taken in at %s", client_text(imported, "host"),
			units_time(client_text(imported, "at"), then));
	else
		how = mem_string(
			strcmp(origin, "schedule") == 0 ? ", by the schedule" : ", by hand");
	show_label("Made");
	paint_line(stdout, "%s%s", units_time(client_text(backup, "created_at"), when), how);
	if (json_is_true(json_object_get(backup, "future")))
		line("", PAINT_WARNING, "this time is still to come: a clock was wrong");
}

static void
print_sizes(const json_t *backup)
{
	char all[UNITS_TEXT], archive[UNITS_TEXT], stored[UNITS_TEXT];

	if (!client_readable(backup))
		return;
	show_label("Size");
	say("%s; its archive has %s, %s were new to the store\n",
		watch_size(show_number(backup, "size_bytes"), all),
		watch_size(show_number(backup, "archive_bytes"), archive),
		watch_size(show_number(backup, "stored_bytes"), stored));
}

static void
print_times(const json_t *backup)
{
	char took[UNITS_TEXT], frozen[UNITS_TEXT];

	if (!json_is_integer(json_object_get(backup, "duration_ms")))
		return;
	show_label("Took");
	say("%s", units_duration(show_number(backup, "duration_ms"), took));
	if (json_is_integer(json_object_get(backup, "freeze_ms")))
		say("; its containers stood still for %s",
			units_duration(show_number(backup, "freeze_ms"), frozen));
	(void)putchar('\n');
}

/* Whether it can be relied on. */
static void
print_trust(const json_t *backup)
{
	const json_t *rehearsal = json_object_get(backup, "rehearsal");
	const char *verified = client_text(backup, "verified_at");
	const bool damaged = json_is_true(json_object_get(backup, "damaged"));
	const bool proven = json_is_string(json_object_get(backup, "proven_at"));
	SCOPED(free_at) char *text = NULL;
	char when[UNITS_TEXT];

	if (!client_readable(backup))
		return;
	if (damaged)
		line("Damaged", PAINT_BAD,
			"yes: not all of it can be read back (`dockerctl verify`)");
	else
		line("Verified", PAINT_NONE,
			verified[0] == '\0' ? "no" : units_time(verified, when));
	text = json_is_object(rehearsal) ? mem_format("%s at %s", proven ? "proven" : "failed",
						   units_time(client_text(rehearsal, "at"), when))
					 : mem_string("none");
	line("Rehearsal", json_is_object(rehearsal) && !proven ? PAINT_BAD : PAINT_NONE, text);
	line("Locked", PAINT_NONE, json_is_true(json_object_get(backup, "locked")) ? "yes" : "no");
}

static void
show_print_containers(const json_t *backup)
{
	const json_t *list = json_object_get(backup, "containers"), *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	say("Containers  %zu\n", json_array_size(list));
	json_array_foreach (list, i, one) {
		SCOPED(free_at)
		char *text = mem_format("  %-24s %-10s %s", client_text(one, "name"),
			client_text(one, "state"), client_text(one, "image"));

		paint(stdout, PAINT_NONE, 0, text);
		(void)putchar('\n');
	}
}

/* Of a Swarm. */
static void
print_services(const json_t *backup)
{
	const json_t *list = json_object_get(backup, "services"), *one;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	say("Services  %zu\n", json_array_size(list));
	json_array_foreach (list, i, one) {
		SCOPED(free_at) char *text = mem_format("  %s", json_string_value(one));

		paint(stdout, PAINT_NONE, 0, text);
		(void)putchar('\n');
	}
}

static void
print_texts(const char *name, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		line(i == 0 ? name : "", PAINT_WARNING, json_string_value(one));
	}
}

static void
print_error(const json_t *error)
{
	SCOPED(free_at)
	char *text = json_is_object(error) ? mem_format("%s: %s", client_text(error, "title"),
						     client_text(error, "detail"))
					   : NULL;

	if (text != NULL)
		line("Error", PAINT_BAD, text);
}

static void
print_backup(const json_t *backup)
{
	const char *name = client_text(backup, "name");
	const char *state = client_text(backup, "state");

	line("Backup", PAINT_NONE, client_text(backup, "id"));
	if (name[0] != '\0')
		line("Name", PAINT_NONE, name);
	line("State", paint_state(state), state);
	print_made(backup);
	print_sizes(backup);
	print_times(backup);
	print_trust(backup);
	print_error(json_object_get(backup, "error"));
	print_texts("Warnings", json_object_get(backup, "warnings"));
	show_print_containers(backup);
	print_services(backup);
}

int
command_show(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *backup = NULL;

	if (client_get_backup(c, a->words[0], &backup, e) != 0)
		return -1;
	if (a->json) {
		watch_json(backup);
		return 0;
	}
	print_backup(backup);
	watch_omitted(backup);
	return 0;
}
