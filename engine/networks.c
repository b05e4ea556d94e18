#include "engine/networks.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

static char *
networks_path_of(const char *name, const char *tail)
{
	SCOPED(free_at) char *escaped = http_escape(name);

	return mem_format("/networks/%s%s", escaped, tail);
}

bool
networks_predefined(const char *name)
{
	return strcmp(name, "bridge") == 0 || strcmp(name, "host") == 0 ||
	       strcmp(name, "none") == 0;
}

static const char *
text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value == NULL ? "" : value;
}

/* ${key} of what the engine takes ${id_or_name} for has to be just that. */
static int
networks_ask(struct engine *g, const char *id_or_name, const char *key, json_t **ret_inspect,
	struct err *e)
{
	SCOPED(free_at) char *path = networks_path_of(id_or_name, "");
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (engine_json(g, "GET", path, NULL, &inspect, e) != 0)
		return -1;
	if (strcmp(text(inspect, key), id_or_name) != 0)
		return err_set(e, ERR_NOT_FOUND, "the engine has no network %.200s", id_or_name);
	*ret_inspect = TAKE(inspect);
	return 0;
}

int
networks_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e)
{
	return networks_ask(g, id, "Id", ret_inspect, e);
}

int
networks_find(struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item, *found = NULL;
	size_t i, count = 0;

	if (networks_ask(g, name, "Name", ret_inspect, e) == 0)
		return 0;
	if (e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED)
		return -1;
	/* Taken for the beginning of ids, or there are several of the name: the list tells. */
	if (networks_list(g, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		if (strcmp(text(item, "Name"), name) != 0)
			continue;
		found = item;
		count++;
	}
	if (count > 1)
		return err_set(e, ERR_CONFLICT,
			"the engine has %zu networks of the name %.200s: remove or rename all but "
			"one",
			count, name);
	if (count == 0)
		return err_set(e, ERR_NOT_FOUND, "the engine has no network %.200s", name);
	return networks_inspect(g, text(found, "Id"), ret_inspect, e);
}

int
networks_list(struct engine *g, json_t **ret_array, struct err *e)
{
	return engine_json(g, "GET", "/networks", NULL, ret_array, e);
}

int
networks_recreate(struct engine *g, const json_t *inspect, struct err *e)
{
	static const char *const kept[] = {"Name", "Driver", "Internal", "Attachable", "Ingress",
		"EnableIPv4", "EnableIPv6", "IPAM", "Options", "Labels", "Scope", "ConfigOnly",
		"ConfigFrom"};
	SCOPED(json_decref_at) json_t *body = json_pack("{s:b}", "CheckDuplicate", 1);
	const char *from = json_string_value(
		json_object_get(json_object_get(inspect, "ConfigFrom"), "Network"));

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(inspect, kept[i]);

		if (value != NULL && !json_is_null(value))
			(void)json_object_set(body, kept[i], value);
	}
	if (from == NULL || from[0] == '\0')
		(void)json_object_del(body, "ConfigFrom");
	return engine_json(g, "POST", "/networks/create", body, NULL, e);
}

int
networks_remove(struct engine *g, const char *id, struct err *e)
{
	SCOPED(free_at) char *path = networks_path_of(id, "");

	return engine_json(g, "DELETE", path, NULL, NULL, e);
}

int
networks_connect(struct engine *g, const char *network, const char *container,
	const json_t *endpoint, struct err *e)
{
	SCOPED(free_at) char *path = networks_path_of(network, "/connect");
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:O*}", "Container", container, "EndpointConfig", endpoint);

	return engine_json(g, "POST", path, body, NULL, e);
}

int
networks_disconnect(struct engine *g, const char *network, const char *container, struct err *e)
{
	SCOPED(free_at) char *path = networks_path_of(network, "/disconnect");
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:b}", "Container", container, "Force", 1);

	return engine_json(g, "POST", path, body, NULL, e);
}
