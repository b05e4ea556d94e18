/* dockerctl destinations, destination, probe, forget, copy. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/units.h"
#include "cli/watch.h"

/* What a probe found, in its own sentences. */
static void
print_probe(const json_t *probe)
{
	const json_t *sentence;
	size_t i;

	if (json_is_null(probe)) {
		say("  not probed yet\n");
		return;
	}
	json_array_foreach (json_object_get(probe, "summary"), i, sentence) {
		say("  ");
		paint(stdout, PAINT_NONE, 0, json_string_value(sentence));
		(void)putchar('\n');
	}
}

static void
print_destination(const json_t *document)
{
	say("%s  ", client_text(document, "name"));
	paint(stdout, PAINT_NONE, 0, client_text(document, "url"));
	(void)putchar('\n');
	print_probe(json_object_get(document, "probe"));
}

/* "/destinations/NAME${behind}"; the caller's to free. */
static char *
destination_path(const char *name, const char *behind)
{
	SCOPED(free_at) char *coded = http_escape(name);

	return mem_format("/destinations/%s%s", coded, behind);
}

/* Call it, and print the one document that is answered. */
static int
destination_call(struct client *c, const struct arguments *a, const char *method,
	const json_t *body, struct err *e)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(free_at) char *path = destination_path(a->words[0], "");

	if (client_call(c, method, path, body, &document, e) != 0)
		return -1;
	if (a->json)
		watch_json(document);
	else
		print_destination(document);
	return 0;
}

int
command_destinations(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *answer = NULL;
	const json_t *document;
	size_t i;

	if (a->words[0] != NULL)
		return destination_call(c, a, "GET", NULL, e);
	if (client_call(c, "GET", "/destinations", NULL, &answer, e) != 0)
		return -1;
	if (a->json) {
		watch_json(answer);
		return 0;
	}
	json_array_foreach (json_object_get(answer, "destinations"), i, document) {
		print_destination(document);
	}
	return 0;
}

int
command_destination(struct client *c, const struct arguments *a, struct err *e)
{
	const char *path = a->words[1];
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	json_error_t fault;
	SCOPED(json_decref_at)
	json_t *settings = strcmp(path, "-") == 0
				   ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &fault)
				   : json_load_file(path, JSON_REJECT_DUPLICATES, &fault);

	if (settings == NULL)
		return err_set(e, ERR_INVALID, "%s: %s", name, fault.text);
	return destination_call(c, a, "PUT", settings, e);
}

int
command_probe(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *probe = NULL;
	SCOPED(free_at) char *path = destination_path(a->words[0], "/probe");

	if (client_call(c, "POST", path, NULL, &probe, e) != 0)
		return -1;
	if (a->json)
		watch_json(probe);
	else
		print_probe(probe);
	if (json_is_true(json_object_get(probe, "ok")))
		return 0;
	return err_set(e, ERR_REMOTE, "nothing can be copied to %.32s", a->words[0]);
}

int
command_forget(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(free_at) char *path = destination_path(a->words[0], "");

	if (client_call(c, "DELETE", path, NULL, NULL, e) != 0)
		return -1;
	if (a->json) {
		SCOPED(json_decref_at)
		json_t *told = json_pack("{s:o}", "forgotten", text_json(a->words[0]));

		watch_json(told);
	} else {
		say("Destination %s is forgotten. What was copied there stays there.\n",
			a->words[0]);
	}
	return 0;
}

int
command_copy(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_pack("{s:s}", "destination", a->words[1]);
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;

	if (body == NULL)
		return err_set(e, ERR_INVALID, "a destination's name is of a-z, 0-9 and '-'");
	if (client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/copies", id);
	if (watch_work(c, a, &(struct work){"Copy", path, body}, &done, e) != 0)
		return -1;
	if (done != NULL && a->json)
		watch_json(done);
	else if (done != NULL)
		say("Backup %s is copied to %s: %s\n", id, a->words[1],
			client_text(json_object_get(done, "result"), "object"));
	return 0;
}
