#include "engine/recreate/recreate.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "engine/networks.h"
#include "engine/recreate/recreate_internal.h"

/* From these API versions on the engine takes all networks at create, and a MAC address only in
 * its endpoint. */
enum { API_ALL_NETWORKS = 144, API_ENDPOINT_MAC = 152 };

static const char container_mode[] = RECREATE_CONTAINER_MODE;

const char *
recreate_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value == NULL ? "" : value;
}

void
recreate_leave_out(const struct recreate_options *o, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (o->left_out != NULL)
		(void)json_array_append_new(o->left_out, text_json_format(format, args));
	va_end(args);
}

static bool
is_short_id(const json_t *inspect, const char *name)
{
	return strlen(name) == RECREATE_SHORT_ID &&
	       strncmp(recreate_text(inspect, "Id"), name, RECREATE_SHORT_ID) == 0;
}

static bool
shares_network(const json_t *host)
{
	return strncmp(recreate_text(host, "NetworkMode"), container_mode,
		       sizeof(container_mode) - 1) == 0;
}

/* A shared network has one hostname for all, a shared UTS namespace that of the host. */
static void
drop_names(json_t *config, const json_t *inspect, const json_t *host)
{
	if (is_short_id(inspect, recreate_text(config, "Hostname")))
		(void)json_object_del(config, "Hostname");
	if (!shares_network(host) && strcmp(recreate_text(host, "UTSMode"), "host") != 0)
		return;
	(void)json_object_del(config, "Hostname");
	(void)json_object_del(config, "Domainname");
}

static json_t *
recreate_config_of(const json_t *inspect, const struct recreate_options *o)
{
	json_t *config = json_deep_copy(json_object_get(inspect, "Config"));
	const json_t *host = json_object_get(inspect, "HostConfig");
	const json_t *entrypoint = json_object_get(config, "Entrypoint");

	drop_names(config, inspect, host);
	if (shares_network(host))
		(void)json_object_del(config, "ExposedPorts");
	/* None is what the container has: nothing said would mean that of the image. */
	if (entrypoint == NULL || json_is_null(entrypoint))
		(void)json_object_set_new(config, "Entrypoint", json_pack("[s]", ""));
	if (o->api >= API_ENDPOINT_MAC)
		(void)json_object_del(config, "MacAddress");
	if (o->image != NULL)
		(void)json_object_set_new(config, "Image", json_string(o->image));
	return config;
}

/* "container:ID" with the id of now; ${otherwise} if there is no such container. */
static void
recreate_map_mode(
	json_t *host, const char *key, const char *otherwise, const struct recreate_options *o)
{
	const char *mode = recreate_text(host, key);
	const char *ref = mode + sizeof(container_mode) - 1;
	const char *now;

	if (strncmp(mode, container_mode, sizeof(container_mode) - 1) != 0 || o->container == NULL)
		return;
	now = o->container(o->ctx, ref);
	if (now != NULL) {
		(void)json_object_set_new(host, key, json_sprintf("%s%s", container_mode, now));
		return;
	}
	recreate_leave_out(o, "%s %s%.64s: that container is not there", key, container_mode, ref);
	(void)json_object_set_new(host, key, json_string(otherwise));
}

/* "/target:/itself/alias", as far as the targets are there. */
static void
recreate_map_links(json_t *host, const struct recreate_options *o)
{
	json_t *links = json_object_get(host, "Links");
	SCOPED(json_decref_at) json_t *kept = json_array();
	json_t *link;
	size_t i;

	if (o->container == NULL || json_array_size(links) == 0)
		return;
	json_array_foreach (links, i, link) {
		const char *text = json_string_value(link);
		const char *target = text == NULL ? "" : text + (text[0] == '/');
		SCOPED(free_at) char *name = mem_copy(target, strcspn(target, ":"));

		if (o->container(o->ctx, name) != NULL)
			(void)json_array_append(kept, link);
		else
			recreate_leave_out(
				o, "a link to container %.100s, which is not there", name);
	}
	(void)json_object_set(host, "Links", kept);
}

static json_t *
recreate_host_of(const json_t *inspect, const struct recreate_options *o, const char *network_mode)
{
	static const char *const masks[] = {"MaskedPaths", "ReadonlyPaths"};
	json_t *host = json_deep_copy(json_object_get(inspect, "HostConfig"));

	if (json_object_get(host, "NetworkMode") != NULL)
		(void)json_object_set_new(host, "NetworkMode", json_string(network_mode));
	recreate_map_mode(host, "NetworkMode", "none", o);
	recreate_map_mode(host, "PidMode", "", o);
	recreate_map_mode(host, "IpcMode", "private", o);
	recreate_map_links(host, o);
	for (size_t i = 0; i < 2; i++)
		if (!o->same_version && json_array_size(json_object_get(host, masks[i])) > 0)
			(void)json_object_del(host, masks[i]);
	recreate_mounts(host, inspect, o);
	return host;
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
			strcmp(name,
				recreate_text(json_object_get(inspect, "Config"), "Hostname")) != 0)
			(void)json_array_append_new(kept, json_string(name));
	}
	return kept;
}

static json_t *
recreate_endpoint_of(const json_t *inspect, const char *network, const json_t *endpoint, int api)
{
	static const char *const kept[] = {"IPAMConfig", "Links", "DriverOpts", "GwPriority"};
	json_t *result = json_object();
	const char *mac = recreate_text(json_object_get(inspect, "Config"), "MacAddress");

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(endpoint, kept[i]);

		if (value != NULL && !json_is_null(value))
			(void)json_object_set(result, kept[i], value);
	}
	if (!networks_predefined(network))
		(void)json_object_set_new(result, "Aliases", aliases_of(inspect, endpoint));
	if (api >= API_ENDPOINT_MAC && mac[0] != '\0' &&
		strcmp(mac, recreate_text(endpoint, "MacAddress")) == 0)
		(void)json_object_set_new(result, "MacAddress", json_string(mac));
	return result;
}

/* Whether the engine connects it by itself to what it had left when it was inspected. */
static bool
had_left(const json_t *inspect, const char *mode, json_t *networks)
{
	const char *name;
	json_t *endpoint;

	if (!json_is_object(
		    json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks")) ||
		strcmp(mode, "host") == 0)
		return false;
	json_object_foreach (networks, name, endpoint) {
		if (recreate_is_main(mode, name))
			return false;
	}
	return true;
}

static bool
takes_all(const struct recreate_options *o)
{
	return o->api >= API_ALL_NETWORKS || (o->traits != NULL && o->traits->takes_all_networks);
}

static void
split_networks(const json_t *inspect, const struct recreate_options *o, const char *mode,
	json_t *networks, json_t *now, json_t *later)
{
	const char *name;
	json_t *endpoint;

	if (shares_network(json_object_get(inspect, "HostConfig")))
		return;
	if (had_left(inspect, mode, networks))
		(void)json_array_append_new(later,
			json_pack("{s:s}", "network",
				mode[0] == '\0' || strcmp(mode, "default") == 0 ? "bridge" : mode));
	json_object_foreach (networks, name, endpoint) {
		json_t *mapped = recreate_endpoint_of(inspect, name, endpoint, o->api);

		if (takes_all(o) || recreate_is_main(mode, name))
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
	SCOPED(json_decref_at) json_t *networks = NULL;
	SCOPED(free_at) char *mode = NULL;
	json_t *now;

	if (!json_is_object(json_object_get(inspect, "Config")) ||
		!json_is_object(json_object_get(inspect, "HostConfig")))
		return err_set(e, ERR_INVALID, "the inspect has no Config or HostConfig");
	networks = recreate_networks(inspect, o, &mode);
	*ret_body = recreate_config_of(inspect, o);
	(void)json_object_set_new(*ret_body, "HostConfig", recreate_host_of(inspect, o, mode));
	recreate_dialect(*ret_body, inspect, o);
	now = json_object();
	*ret_connects = json_array();
	split_networks(inspect, o, mode, networks, now, *ret_connects);
	(void)json_object_set_new(
		*ret_body, "NetworkingConfig", json_pack("{s:o}", "EndpointsConfig", now));
	return 0;
}
