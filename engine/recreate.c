#include "engine/recreate.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/networks.h"

/* From these API versions on the engine takes all networks at create, and a MAC address only in
 * its endpoint. */
enum { API_ALL_NETWORKS = 144, API_ENDPOINT_MAC = 152, SHORT_ID = 12 };

static const char container_mode[] = "container:";

static const char *
text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value == NULL ? "" : value;
}

static bool
is_short_id(const json_t *inspect, const char *name)
{
	return strlen(name) == SHORT_ID && strncmp(text(inspect, "Id"), name, SHORT_ID) == 0;
}

static bool
shares_network(const json_t *host)
{
	return strncmp(text(host, "NetworkMode"), container_mode, sizeof(container_mode) - 1) == 0;
}

static json_t *
config_of(const json_t *inspect, const struct recreate_options *o)
{
	json_t *config = json_deep_copy(json_object_get(inspect, "Config"));
	const json_t *host = json_object_get(inspect, "HostConfig");

	if (is_short_id(inspect, text(config, "Hostname")))
		(void)json_object_del(config, "Hostname");
	if (shares_network(host)) {
		(void)json_object_del(config, "Hostname");
		(void)json_object_del(config, "Domainname");
		(void)json_object_del(config, "ExposedPorts");
	}
	if (strcmp(text(host, "UTSMode"), "host") == 0) { /* the engine refuses both beside it */
		(void)json_object_del(config, "Hostname");
		(void)json_object_del(config, "Domainname");
	}
	if (o->api >= API_ENDPOINT_MAC)
		(void)json_object_del(config, "MacAddress");
	if (o->image != NULL)
		(void)json_object_set_new(config, "Image", json_string(o->image));
	return config;
}

/* "container:ID" with the id of now. */
static int
map_mode(json_t *host, const char *key, const struct recreate_options *o, struct err *e)
{
	const char *mode = text(host, key);
	const char *id;

	if (strncmp(mode, container_mode, sizeof(container_mode) - 1) != 0 || o->container == NULL)
		return 0;
	id = o->container(o->ctx, mode + sizeof(container_mode) - 1);
	if (id == NULL)
		return err_set(e, ERR_INVALID, "%s is %s, and that container is not in the backup",
			key, mode);
	return json_object_set_new(host, key, json_sprintf("%s%s", container_mode, id));
}

/* The place in a container that a bind "SOURCE:DESTINATION[:MODE]" (NULL: no text) has. */
static bool
bind_is_at(const char *bind, const char *destination)
{
	const char *colon = bind == NULL ? NULL : strchr(bind, ':');
	const size_t len = strlen(destination);

	return colon != NULL && strncmp(colon + 1, destination, len) == 0 &&
	       (colon[1 + len] == '\0' || colon[1 + len] == ':');
}

/* The item of ${host}'s binds or mounts at ${destination}; NULL if there is none. */
static json_t *
mount_at(const json_t *host, const char *destination, bool *ret_bound)
{
	json_t *item;
	size_t i;

	*ret_bound = true;
	json_array_foreach (json_object_get(host, "Binds"), i, item) {
		if (bind_is_at(json_string_value(item), destination))
			return item;
	}
	json_array_foreach (json_object_get(host, "Mounts"), i, item) {
		if (strcmp(text(item, "Target"), destination) == 0)
			return item;
	}
	*ret_bound = false;
	return NULL;
}

/* Anonymous volumes stand in Mounts alone: without this a new empty one would be made. */
static void
name_volumes(json_t *host, const json_t *inspect)
{
	const bool lent = json_array_size(json_object_get(host, "VolumesFrom")) > 0;
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		bool bound;
		json_t *item = mount_at(host, text(mount, "Destination"), &bound);

		if (strcmp(text(mount, "Type"), "volume") != 0)
			continue;
		if (json_is_object(item) && text(item, "Source")[0] == '\0')
			(void)json_object_set(item, "Source", json_object_get(mount, "Name"));
		if (bound || lent)
			continue;
		if (!json_is_array(json_object_get(host, "Binds")))
			(void)json_object_set_new(host, "Binds", json_array());
		(void)json_array_append_new(json_object_get(host, "Binds"),
			json_sprintf("%s:%s%s", text(mount, "Name"), text(mount, "Destination"),
				json_is_false(json_object_get(mount, "RW")) ? ":ro" : ""));
	}
}

static int
host_of(const json_t *inspect, const struct recreate_options *o, json_t **ret_host, struct err *e)
{
	SCOPED(json_decref_at)
	json_t *host = json_deep_copy(json_object_get(inspect, "HostConfig"));
	static const char *const masks[] = {"MaskedPaths", "ReadonlyPaths"};

	if (map_mode(host, "NetworkMode", o, e) != 0 || map_mode(host, "PidMode", o, e) != 0 ||
		map_mode(host, "IpcMode", o, e) != 0)
		return -1;
	for (size_t i = 0; i < 2; i++)
		if (!o->same_version && json_array_size(json_object_get(host, masks[i])) > 0)
			(void)json_object_del(host, masks[i]);
	name_volumes(host, inspect);
	*ret_host = TAKE(host);
	return 0;
}

static json_t *
aliases_of(const json_t *inspect, const json_t *endpoint)
{
	json_t *kept = json_array();
	const json_t *alias;
	size_t i;

	json_array_foreach (json_object_get(endpoint, "Aliases"), i, alias) {
		const char *name = json_string_value(alias);

		if (name != NULL && !is_short_id(inspect, name) &&
			strcmp(name, text(json_object_get(inspect, "Config"), "Hostname")) != 0)
			(void)json_array_append_new(kept, json_string(name));
	}
	return kept;
}

static json_t *
endpoint_of(const json_t *inspect, const char *network, const json_t *endpoint, int api)
{
	static const char *const kept[] = {"IPAMConfig", "Links", "DriverOpts", "GwPriority"};
	json_t *result = json_object();
	const char *mac = text(json_object_get(inspect, "Config"), "MacAddress");

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(endpoint, kept[i]);

		if (value != NULL && !json_is_null(value))
			(void)json_object_set(result, kept[i], value);
	}
	if (!networks_predefined(network))
		(void)json_object_set_new(result, "Aliases", aliases_of(inspect, endpoint));
	if (api >= API_ENDPOINT_MAC && mac[0] != '\0' &&
		strcmp(mac, text(endpoint, "MacAddress")) == 0)
		(void)json_object_set_new(result, "MacAddress", json_string(mac));
	return result;
}

static bool
is_main(const json_t *host, const char *network)
{
	const char *mode = text(host, "NetworkMode");

	return strcmp(mode, network) == 0 ||
	       (strcmp(network, "bridge") == 0 &&
		       (strcmp(mode, "default") == 0 || mode[0] == '\0'));
}

static void
split_networks(const json_t *inspect, int api, json_t *now, json_t *later)
{
	const json_t *host = json_object_get(inspect, "HostConfig");
	json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	if (shares_network(host))
		return;
	json_object_foreach (networks, name, endpoint) {
		json_t *mapped = endpoint_of(inspect, name, endpoint, api);

		if (api >= API_ALL_NETWORKS || is_main(host, name))
			(void)json_object_set_new(now, name, mapped);
		else
			(void)json_array_append_new(later,
				json_pack("{s:s, s:o}", "network", name, "endpoint", mapped));
	}
}

int
recreate_body(const json_t *inspect, const struct recreate_options *o, json_t **ret_body,
	json_t **ret_connects, struct err *e)
{
	json_t *host = NULL, *now;

	if (!json_is_object(json_object_get(inspect, "Config")) ||
		!json_is_object(json_object_get(inspect, "HostConfig")))
		return err_set(e, ERR_INVALID, "the inspect has no Config or HostConfig");
	if (host_of(inspect, o, &host, e) != 0)
		return -1;
	*ret_body = config_of(inspect, o);
	(void)json_object_set_new(*ret_body, "HostConfig", host);
	now = json_object();
	*ret_connects = json_array();
	split_networks(inspect, o->api, now, *ret_connects);
	(void)json_object_set_new(
		*ret_body, "NetworkingConfig", json_pack("{s:o}", "EndpointsConfig", now));
	return 0;
}

/* {} , [], "" , null and false mean the same to the engine: left out. */
static bool
is_empty(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_integer(value) && json_integer_value(value) == 0);
}

static void
drop_empty(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe (object, next, key, value) {
		if (json_is_object(value))
			drop_empty(value);
		if (is_empty(value))
			(void)json_object_del(object, key);
	}
}

static int
by_text(const void *a, const void *b)
{
	const char *x = json_string_value(*(json_t *const *)a);
	const char *y = json_string_value(*(json_t *const *)b);

	return strcmp(x == NULL ? "" : x, y == NULL ? "" : y);
}

/* The engine keeps links in a map and tells them in another order each time. */
static void
sort_links(json_t *body)
{
	json_t *host = json_object_get(body, "HostConfig"), *links = json_object_get(host, "Links");
	const size_t count = json_array_size(links);
	SCOPED(free_at) json_t **list = mem_array(NULL, count + 1, sizeof(*list));
	SCOPED(json_decref_at) json_t *sorted = json_array();

	for (size_t i = 0; i < count; i++)
		list[i] = json_array_get(links, i);
	qsort(list, count, sizeof(*list), by_text);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append(sorted, list[i]);
	if (count > 1)
		(void)json_object_set(host, "Links", sorted);
}

static bool
body_equal(const json_t *a, const json_t *b)
{
	const struct recreate_options options = {.api = API_ALL_NETWORKS, .same_version = true};
	SCOPED(json_decref_at) json_t *body_a = NULL;
	SCOPED(json_decref_at) json_t *body_b = NULL;
	SCOPED(json_decref_at) json_t *none_a = NULL;
	SCOPED(json_decref_at) json_t *none_b = NULL;
	struct err e;

	if (recreate_body(a, &options, &body_a, &none_a, &e) != 0 ||
		recreate_body(b, &options, &body_b, &none_b, &e) != 0)
		return false;
	drop_empty(body_a);
	drop_empty(body_b);
	sort_links(body_a);
	sort_links(body_b);
	return json_equal(body_a, body_b);
}

bool
recreate_equal(const json_t *a, const json_t *b)
{
	return strcmp(text(a, "Name"), text(b, "Name")) == 0 && body_equal(a, b);
}
