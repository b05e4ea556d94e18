#include "engine/networks.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

static char *
path_of(const char *name, const char *tail)
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

int
networks_inspect(struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	SCOPED(free_at) char *path = path_of(name, "");

	return engine_json(g, "GET", path, NULL, ret_inspect, e);
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
networks_remove(struct engine *g, const char *name, struct err *e)
{
	SCOPED(free_at) char *path = path_of(name, "");

	return engine_json(g, "DELETE", path, NULL, NULL, e);
}

int
networks_connect(struct engine *g, const char *name, const char *container, const json_t *endpoint,
	struct err *e)
{
	SCOPED(free_at) char *path = path_of(name, "/connect");
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:O*}", "Container", container, "EndpointConfig", endpoint);

	return engine_json(g, "POST", path, body, NULL, e);
}

int
networks_disconnect(struct engine *g, const char *name, const char *container, struct err *e)
{
	SCOPED(free_at) char *path = path_of(name, "/disconnect");
	SCOPED(json_decref_at)
	json_t *body = json_pack("{s:s, s:b}", "Container", container, "Force", 1);

	return engine_json(g, "POST", path, body, NULL, e);
}
