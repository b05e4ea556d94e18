/* dockerctl operations, cancel, watch. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/paint.h"
#include "cli/watch.h"

/* The operations that have not ended, newest first. */
static int
find_running(struct client *c, json_t **ret_list, struct err *e)
{
	SCOPED(json_decref_at) json_t *all = NULL;
	SCOPED(json_decref_at) json_t *list = json_array();
	json_t *operation;
	size_t i;

	if (client_pages(c, "/operations", "operations", &all, e) != 0)
		return -1;
	json_array_foreach (all, i, operation) {
		if (json_is_null(json_object_get(operation, "ended_at")))
			(void)json_array_append(list, operation);
	}
	*ret_list = TAKE(list);
	return 0;
}

static void
print_operation(const json_t *operation)
{
	const char *state = client_text(operation, "state");

	say("%-24s  %-8s  ", client_text(operation, "id"),
		json_is_true(json_object_get(operation, "dry_run"))
			? "dry run"
			: client_text(operation, "kind"));
	paint(stdout, paint_state(state), 11, state);
	say("  %-12s  %3.0f %%\n", client_text(operation, "phase"),
		100 * json_number_value(json_object_get(operation, "progress")));
}

static int
show_operation(struct client *c, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(free_at) char *escaped = http_escape(id);
	SCOPED(free_at) char *path = mem_format("/operations/%s", escaped);

	if (client_call(c, "GET", path, NULL, &operation, e) != 0)
		return -1;
	watch_json(operation);
	return 0;
}

int
command_operations(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *operation;
	size_t i;

	if (a->words[0] != NULL)
		return show_operation(c, a->words[0], e);
	if (client_pages(c, "/operations", "operations", &list, e) != 0)
		return -1;
	if (a->json) {
		watch_json(list);
		return 0;
	}
	say("%-24s  %-8s  %-11s  %-12s  %s\n", "ID", "KIND", "STATE", "PHASE", "DONE");
	json_array_foreach (list, i, operation) {
		print_operation(operation);
	}
	return 0;
}

int
command_cancel(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *running = NULL;
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(free_at) char *path = NULL;
	const char *id = a->words[0];

	if (id == NULL && find_running(c, &running, e) != 0)
		return -1;
	if (id == NULL && json_array_size(running) == 0)
		return err_set(e, ERR_NOT_FOUND, "nothing runs");
	if (id == NULL && json_array_size(running) > 1)
		return err_set(e, ERR_INVALID,
			"several operations run; `dockerctl operations` shows them: say which");
	if (id == NULL)
		id = client_text(json_array_get(running, 0), "id");
	{
		SCOPED(free_at) char *escaped = http_escape(id);

		path = mem_format("/operations/%s", escaped);
	}
	if (client_call(c, "DELETE", path, NULL, &operation, e) != 0)
		return -1;
	if (a->json)
		watch_json(operation);
	else
		say("Operation %s is asked to stop.\n", client_text(operation, "id"));
	return 0;
}

static int
operations_follow(
	struct client *c, const struct arguments *a, const json_t *operation, struct err *e)
{
	SCOPED(json_decref_at) json_t *done = NULL;
	const int status = watch_operation(c, operation, &done, e);

	if (a->json && done != NULL)
		watch_json(done);
	else if (status == 0)
		print_operation(done);
	return status;
}

int
command_watch(struct client *c, const struct arguments *a, struct err *e)
{
	SCOPED(json_decref_at) json_t *running = NULL;
	SCOPED(json_decref_at) json_t *operation = NULL;
	SCOPED(free_at) char *escaped = a->words[0] == NULL ? NULL : http_escape(a->words[0]);
	SCOPED(free_at) char *path = NULL;

	if (escaped != NULL) {
		path = mem_format("/operations/%s", escaped);
		return client_call(c, "GET", path, NULL, &operation, e) == 0
			       ? operations_follow(c, a, operation, e)
			       : -1;
	}
	if (find_running(c, &running, e) != 0)
		return -1;
	if (json_array_size(running) > 0)
		return operations_follow(c, a, json_array_get(running, 0), e);
	if (a->json)
		say("null\n");
	else
		say("Nothing runs.\n");
	return 0;
}
