/*
 * GET /tasks, GET /tasks/{id}: operations in the shape of Nailgun's tasks, which Fuel's web UI
 * knows how to follow: pending, running, ready, error; progress in percent; the outcome in
 * `message`.
 */
#include <string.h>

#include "base/scope.h"
#include "handlers/app.h"

enum { TASKS_MAX = 100 };

static const char *
tasks_text_of(const json_t *document, const char *key)
{
	const char *text = json_string_value(json_object_get(document, key));

	return text == NULL ? "" : text;
}

static const char *
status_of(const char *state)
{
	return strcmp(state, "queued") == 0	 ? "pending"
	       : strcmp(state, "running") == 0	 ? "running"
	       : strcmp(state, "succeeded") == 0 ? "ready"
						 : "error";
}

/* Of a backup that is ready where it is found, as Nailgun has it for a diagnostic snapshot. */
static json_t *
message_of(const json_t *document, const char *status)
{
	const char *backup = tasks_text_of(document, "backup");
	const json_t *error = json_object_get(document, "error");

	if (json_is_object(error))
		return json_incref(json_object_get(error, "detail"));
	if (strcmp(status, "error") == 0)
		return json_string(tasks_text_of(document, "state"));
	if (strcmp(status, "ready") == 0 && strcmp(tasks_text_of(document, "kind"), "backup") == 0)
		return json_sprintf("/backups/%s/archive", backup);
	return json_string(tasks_text_of(document, "phase"));
}

static json_t *
task_of(const json_t *document)
{
	const char *status = status_of(tasks_text_of(document, "state"));
	const double progress = json_number_value(json_object_get(document, "progress"));

	return json_pack("{s:s, s:s, s:s, s:n, s:s, s:i, s:o, s:{}}", "id",
		tasks_text_of(document, "id"), "uuid", tasks_text_of(document, "id"), "name",
		tasks_text_of(document, "kind"), "cluster", "status", status, "progress",
		strcmp(status, "ready") == 0 ? 100 : (int)(progress * 100), "message",
		message_of(document, status), "result");
}

int
tasks_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	const char *cluster = request_parameter(r, "cluster_id");
	SCOPED(json_decref_at) json_t *list = NULL;
	json_t *tasks = NULL;
	const json_t *document;
	bool more;
	size_t i;

	if (operations_list(jobs_operations(app->jobs), TASKS_MAX, NULL, &list, &more, e) != 0)
		return -1;
	tasks = json_array();
	if (cluster == NULL || cluster[0] == '\0') /* ours are of no cluster */
		json_array_foreach (list, i, document)
			(void)json_array_append_new(tasks, task_of(document));
	reply_json(reply, 200, tasks);
	return 0;
}

int
task_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	SCOPED(json_decref_at) json_t *document = NULL;

	if (operations_get(jobs_operations(app->jobs), r->id, &document, e) != 0)
		return -1;
	reply_json(reply, 200, task_of(document));
	return 0;
}
