/* dockerctl rehearse. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/amount.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/watch.h"

static void
print_container(const json_t *container)
{
	const json_t *check = json_object_get(container, "check");
	const json_t *ms = json_object_get(container, "started_ms");

	const bool ok = json_is_true(json_object_get(container, "ok"));

	paint(stdout, ok ? PAINT_GOOD : PAINT_BAD, 8, ok ? "ok" : "FAILED");
	paint(stdout, PAINT_NONE, 34, client_text(container, "name"));
	paint(stdout, PAINT_NONE, 8, client_text(container, "state"));
	if (json_is_integer(ms))
		say("  up in %lld ms", (long long)json_integer_value(ms));
	if (json_is_object(check))
		say("  check: exit code %lld",
			(long long)json_integer_value(json_object_get(check, "exit_code")));
	(void)putchar('\n');
	if (client_text(container, "error")[0] != '\0')
		paint_line(stdout, "        %s", client_text(container, "error"));
	if (client_text(container, "logs")[0] == '\0')
		return;
	say("        its last lines:\n");
	paint(stdout, PAINT_NONE, -1,
		client_text(container, "logs")); /* the container's own text */
	(void)putchar('\n');
}

static void
print_verdict(const json_t *verdict)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(verdict, "containers"), i, item) {
		print_container(item);
	}
	json_array_foreach (json_object_get(verdict, "unproven"), i, item) {
		const char *container = client_text(item, "container");

		paint_line(stdout, "not proven: %s%s%s", container,
			container[0] == '\0' ? "" : ": ", client_text(item, "what"));
	}
}

/* What is asked of the clones; NULL: nothing. */
static int
limits(const struct arguments *a, json_t **ret_body, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_object();
	const struct {
		const char *name, *value;
		int (*read)(const char *text, int64_t *ret, struct err *e);
	} fields[] = {{"memory_bytes", a->memory, amount_size}, {"cpus", a->cpus, amount_count},
		{"stay_seconds", a->stay, amount_count},
		{"health_seconds", a->health, amount_count}};
	int64_t number;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].value == NULL)
			continue;
		if (fields[i].read(fields[i].value, &number, e) != 0)
			return -1;
		(void)json_object_set_new(body, fields[i].name, json_integer(number));
	}
	*ret_body = json_object_size(body) == 0 ? NULL : TAKE(body);
	return 0;
}

int
command_rehearse(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *done = NULL;
	SCOPED(free_at) char *id = NULL;
	SCOPED(free_at) char *path = NULL;
	const json_t *verdict;
	int status;

	if (limits(a, &body, e) != 0 || client_find_backup(c, a->words[0], &id, e) != 0)
		return -1;
	path = mem_format("/backups/%s/rehearse", id);
	status = watch_work(c, a, &(struct work){"Rehearsal", path, body}, &done, e);
	if (done == NULL || (a->json && status != 0))
		return status;
	if (a->json) {
		watch_json(done);
		return 0;
	}
	verdict = json_object_get(done, "result");
	print_verdict(verdict);
	if (status != 0)
		return -1;
	say("Backup %s is proven restorable at %s\n", id, client_text(verdict, "at"));
	return 0;
}
