#include "engine/containers.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/frames.h"
#include "engine/traits.h"

/* A stop waits for the container, a wait for its end: longer than an answer usually takes. */
enum { STOP_GRACE_MS = 60 * 1000 };

static char *
containers_path_of(const char *id, const char *tail)
{
	SCOPED(free_at) char *name = http_escape(id);

	return mem_format("/containers/%s%s", name, tail);
}

static int
post(struct engine *g, const char *id, const char *tail, const json_t *body, struct err *e)
{
	SCOPED(free_at) char *path = containers_path_of(id, tail);

	return engine_json(g, "POST", path, body, NULL, e);
}

int
containers_list(struct engine *g, json_t **ret_array, struct err *e)
{
	return engine_json(g, "GET", "/containers/json?all=1", NULL, ret_array, e);
}

static int
none_of(const char *what, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "the engine has no container %.200s", what);
}

/* Docker 28 leaves out the name of a volume that was made for a bind of a destination alone: its
 * folder has it. */
static void
name_volumes(json_t *inspect)
{
	json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *type = json_string_value(json_object_get(mount, "Type"));
		const char *name = json_string_value(json_object_get(mount, "Name"));
		const char *source = json_string_value(json_object_get(mount, "Source"));
		const char *data = source == NULL ? NULL : strrchr(source, '/');

		if (type == NULL || strcmp(type, "volume") != 0 ||
			(name != NULL && *name != '\0') || data == NULL ||
			strcmp(data, "/_data") != 0)
			continue;
		SCOPED(free_at) char *folder = mem_copy(source, (size_t)(data - source));
		const char *slash = strrchr(folder, '/');

		(void)json_object_set_new(
			mount, "Name", json_string(slash == NULL ? folder : slash + 1));
	}
}

static int
containers_ask(struct engine *g, const char *id_or_name, json_t **ret_inspect, struct err *e)
{
	SCOPED(free_at) char *path = containers_path_of(id_or_name, "/json");

	if (engine_json(g, "GET", path, NULL, ret_inspect, e) != 0)
		return -1;
	name_volumes(*ret_inspect);
	return 0;
}

int
containers_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *found;

	if (containers_ask(g, id, &inspect, e) != 0)
		return -1;
	/* The id of a container that is gone may be the name of another one. */
	found = json_string_value(json_object_get(inspect, "Id"));
	if (found != NULL && strcmp(found, id) != 0)
		return none_of(id, e);
	*ret_inspect = TAKE(inspect);
	return 0;
}

static bool
containers_is_named(const char *listed, const char *name)
{
	return listed != NULL && strcmp(listed + (listed[0] == '/'), name) == 0;
}

/* Among all: the engine keeps its look-up by name for itself. */
static int
find_in_list(struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item, *listed;
	size_t i, k;

	if (containers_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		const char *id = json_string_value(json_object_get(item, "Id"));

		/* A link's alias stands here as "/other/alias": no name has a slash within. */
		json_array_foreach (json_object_get(item, "Names"), k, listed) {
			if (id != NULL && containers_is_named(json_string_value(listed), name))
				return containers_inspect(g, id, ret_inspect, e);
		}
	}
	return none_of(name, e);
}

int
containers_find(struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (containers_ask(g, name, &inspect, e) != 0) {
		/* A status of 500 is "several ids begin with it"; then it may still be a name. */
		return e->code == ERR_ENGINE ? find_in_list(g, name, ret_inspect, e) : -1;
	}
	if (!containers_is_named(json_string_value(json_object_get(inspect, "Name")), name))
		return find_in_list(g, name, ret_inspect, e);
	*ret_inspect = TAKE(inspect);
	return 0;
}

int
containers_inspect_within(
	struct engine *g, const char *id, int64_t wait_ms, json_t **ret_inspect, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *path = containers_path_of(id, "/json");
	struct http_request request = {.method = "GET", .path = path, .stall_ms = wait_ms};

	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	*ret_inspect = json_parse(reply.body.data, reply.body.len, 0, NULL);
	if (*ret_inspect == NULL)
		*ret_inspect = json_null();
	return 0;
}

int
containers_create(
	struct engine *g, const char *name, const json_t *body, char **ret_id, struct err *e)
{
	SCOPED(free_at) char *escaped = name == NULL ? NULL : http_escape(name);
	SCOPED(free_at)
	char *path = name == NULL ? mem_string("/containers/create")
				  : mem_format("/containers/create?name=%s", escaped);
	SCOPED(json_decref_at) json_t *reply = NULL;
	const char *id;

	if (engine_json(g, "POST", path, body, &reply, e) != 0)
		return -1;
	id = json_string_value(json_object_get(reply, "Id"));
	if (id == NULL)
		return err_set(e, ERR_ENGINE, "the engine created a container without an id");
	*ret_id = mem_string(id);
	return 0;
}

int
containers_start(struct engine *g, const char *id, struct err *e)
{
	return post(g, id, "/start", NULL, e);
}

/* A call whose answer may take ${wait_ms} more than usual. */
static int
slow_post(struct engine *g, const char *id, const char *tail, int64_t wait_ms, json_t **ret,
	struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *path = containers_path_of(id, tail);
	struct http_request request = {.method = "POST", .path = path, .stall_ms = wait_ms};

	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	if (ret != NULL)
		*ret = json_parse(reply.body.data, reply.body.len, 0, NULL);
	return 0;
}

int
containers_stop(struct engine *g, const char *id, int seconds, struct err *e)
{
	SCOPED(free_at) char *tail = mem_format("/stop?t=%d", seconds);

	return slow_post(g, id, tail, seconds * 1000 + STOP_GRACE_MS, NULL, e);
}

int
containers_kill(struct engine *g, const char *id, const char *signal, struct err *e)
{
	SCOPED(free_at) char *tail = mem_format("/kill?signal=%s", signal);

	return post(g, id, tail, NULL, e);
}

int
containers_pause(struct engine *g, const char *id, struct err *e)
{
	return post(g, id, "/pause", NULL, e);
}

int
containers_unpause(struct engine *g, const char *id, struct err *e)
{
	return post(g, id, "/unpause", NULL, e);
}

int
containers_unpause_within(struct engine *g, const char *id, int64_t wait_ms, struct err *e)
{
	return slow_post(g, id, "/unpause", wait_ms, NULL, e);
}

int
containers_rename(struct engine *g, const char *id, const char *name, struct err *e)
{
	SCOPED(free_at) char *escaped = http_escape(name);
	SCOPED(free_at) char *tail = mem_format("/rename?name=%s", escaped);

	return post(g, id, tail, NULL, e);
}

static int
force_off(struct engine *g, const char *id, const char *how, struct err *e)
{
	SCOPED(free_at) char *path = containers_path_of(id, how);

	if (engine_json(g, "DELETE", path, NULL, NULL, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

int
containers_remove(struct engine *g, const char *id, struct err *e)
{
	return force_off(g, id, "?force=1&v=0", e);
}

int
containers_discard(struct engine *g, const char *id, struct err *e)
{
	return force_off(g, id, "?force=1&v=1", e);
}

int
containers_set_restart(struct engine *g, const char *id, const json_t *policy, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = json_object();
	struct traits traits;

	if (traits_find(g, &traits, e) != 0)
		return -1;
	/* Such an engine starts nothing by itself that was stopped: the policy may stay. */
	if (!traits.updates_policy)
		return 0;
	(void)json_object_set(body, "RestartPolicy", (json_t *)(uintptr_t)policy);
	return post(g, id, "/update", body, e);
}

int
containers_wait(struct engine *g, const char *id, int *ret_code, struct err *e)
{
	SCOPED(json_decref_at) json_t *reply = NULL;

	if (slow_post(g, id, "/wait", -1, &reply, e) != 0)
		return -1;
	*ret_code = (int)json_integer_value(json_object_get(reply, "StatusCode"));
	return 0;
}

int
containers_log_tail(struct engine *g, const char *id, int lines, char **ret_text, struct err *e)
{
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	SCOPED(free_at) char *tail = mem_format("/logs?stdout=1&stderr=1&tail=%d", lines);
	SCOPED(free_at) char *path = containers_path_of(id, tail);
	struct http_request request = {.method = "GET", .path = path};

	if (engine_call(g, &request, &reply, e) != 0 || engine_check(&request, &reply, e) != 0)
		return -1;
	*ret_text = frames_text(reply.body.data, reply.body.len);
	return 0;
}

int
containers_top(struct engine *g, const char *id, struct err *e)
{
	SCOPED(free_at) char *path = containers_path_of(id, "/top");

	return engine_json(g, "GET", path, NULL, NULL, e);
}
