#include "engine/volumes.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

static char *
volumes_path_of(const char *name)
{
	SCOPED(free_at) char *escaped = http_escape(name);

	return mem_format("/volumes/%s", escaped);
}

int
volumes_inspect(struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	SCOPED(free_at) char *path = volumes_path_of(name);
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *found;

	if (engine_json(g, "GET", path, NULL, &inspect, e) != 0)
		return -1;
	found = json_string_value(json_object_get(inspect, "Name"));
	if (found == NULL || strcmp(found, name) != 0)
		return err_set(e, ERR_NOT_FOUND, "the engine has no volume %.200s", name);
	*ret_inspect = TAKE(inspect);
	return 0;
}

int
volumes_list(struct engine *g, json_t **ret_array, struct err *e)
{
	SCOPED(json_decref_at) json_t *reply = NULL;
	json_t *list;

	if (engine_json(g, "GET", "/volumes", NULL, &reply, e) != 0)
		return -1;
	list = json_object_get(reply, "Volumes"); /* null if there is none */
	*ret_array = json_is_array(list) ? json_incref(list) : json_array();
	return 0;
}

int
volumes_recreate(struct engine *g, const json_t *inspect, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:O?, s:O?, s:O*, s:O*}", "Name",
		json_object_get(inspect, "Name"), "Driver", json_object_get(inspect, "Driver"),
		"DriverOpts", json_object_get(inspect, "Options"), "Labels",
		json_object_get(inspect, "Labels"));

	return engine_json(g, "POST", "/volumes/create", body, NULL, e);
}

int
volumes_remove(struct engine *g, const char *name, struct err *e)
{
	SCOPED(free_at) char *path = volumes_path_of(name);
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (volumes_inspect(g, name, &inspect, e) != 0)
		return -1;
	return engine_json(g, "DELETE", path, NULL, NULL, e);
}
