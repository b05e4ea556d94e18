#include "engine/swarm.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

static const char *
text(const json_t *object, const char *first, const char *second)
{
	const json_t *value = json_object_get(object, first);
	const char *found =
		json_string_value(second == NULL ? value : json_object_get(value, second));

	return found == NULL ? "" : found;
}

enum swarm_role
swarm_role(const json_t *info)
{
	const json_t *swarm = json_object_get(info, "Swarm");

	if (strcmp(text(swarm, "LocalNodeState", NULL), "active") != 0)
		return SWARM_NONE;
	return json_is_true(json_object_get(swarm, "ControlAvailable")) ? SWARM_MANAGER
									: SWARM_WORKER;
}

const char *
swarm_name(const json_t *object)
{
	return text(object, "Spec", "Name");
}

int
swarm_list(struct engine *g, const char *kind, json_t **ret_list, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("/%s", kind);
	SCOPED(json_decref_at) json_t *list = NULL;

	if (engine_json(g, "GET", path, NULL, &list, e) != 0)
		return -1;
	*ret_list = json_is_array(list) ? TAKE(list) : json_array(); /* null if there is none */
	return 0;
}

int
swarm_find(struct engine *g, const char *kind, const char *name, json_t **ret_object, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	json_t *object;
	size_t i;

	if (swarm_list(g, kind, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, object) {
		if (strcmp(swarm_name(object), name) == 0) {
			*ret_object = json_incref(object);
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "the Swarm has no %.200s in its %s", name, kind);
}

int
swarm_create(struct engine *g, const char *kind, const json_t *spec, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("/%s/create", kind);

	return engine_json(g, "POST", path, spec, NULL, e);
}

int
swarm_remove(struct engine *g, const char *kind, const char *id, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(id);
	SCOPED(free_at) char *path = mem_format("/%s/%s", kind, escaped);

	if (engine_json(g, "DELETE", path, NULL, NULL, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

int
swarm_update(struct engine *g, const char *id, const json_t *spec, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(id);
	SCOPED(free_at) char *look = mem_format("/services/%s", escaped);
	SCOPED(free_at) char *path = NULL;
	SCOPED(json_decref_at) json_t *now = NULL;

	if (engine_json(g, "GET", look, NULL, &now, e) != 0)
		return -1;
	path = mem_format("/services/%s/update?version=%lld", escaped,
		(long long)json_integer_value(
			json_object_get(json_object_get(now, "Version"), "Index")));
	return engine_json(g, "POST", path, spec, NULL, e);
}

/* Of the tasks that Swarm wants to run. */
int
swarm_tasks(struct engine *g, const char *service, size_t *ret_running, size_t *ret_wanted,
	char **ret_why, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *filter = json_pack("{s:[s], s:[s, s, s]}", "service", service, "desired-state",
		"running", "ready", "accepted");
	SCOPED(free_at) char *words = json_dumps(filter, JSON_COMPACT);
	SCOPED(free_at) char *escaped = http_escape(words);
	SCOPED(free_at) char *path = mem_format("/tasks?filters=%s", escaped);
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *task;
	size_t i;

	if (engine_json(g, "GET", path, NULL, &list, e) != 0)
		return -1;
	*ret_running = 0;
	*ret_wanted = json_array_size(list);
	json_array_foreach (list, i, task) {
		const char *why = text(task, "Status", "Err");

		*ret_running += strcmp(text(task, "Status", "State"), "running") == 0;
		if (ret_why != NULL && *ret_why == NULL && why[0] != '\0')
			*ret_why = mem_string(why);
	}
	return 0;
}
