#include "jobs/rehearsal/clone_context.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/operations/inspect.h"

static const char container_mode[] = "container:";

static void
add_unproven(json_t *unproven, const char *name, const char *format, va_list args)
{
	json_t *what = text_json_format(format, args);

	(void)json_array_append_new(
		unproven, json_pack("{s:s?, s:o}", "container", name, "what", what));
}

void
clone_config_unproven(json_t *unproven, const char *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_unproven(unproven, name, format, args);
	va_end(args);
}

void
clone_context_lose(const struct clone_context *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_unproven(m->unproven, m->name, format, args);
	va_end(args);
}

const json_t *
clone_context_host(const struct clone_context *m)
{
	return json_object_get(m->inspect, "HostConfig");
}

bool
clone_context_is_empty(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
	       (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_integer(value) && json_integer_value(value) == 0);
}

/* ---- what is shared with others ---- */

/* "container:CLONE" for "container:ID"; false if that one is not in the backup. */
static bool
clone_context_map_mode(const struct clone_context *m, const char *key)
{
	const char *mode = json_text(clone_context_host(m), key, NULL);
	const char *other;

	if (strncmp(mode, container_mode, sizeof(container_mode) - 1) != 0)
		return false;
	other = m->options->container(m->options->ctx, mode + sizeof(container_mode) - 1);
	if (other == NULL) {
		clone_context_lose(m,
			"%s is %s, which is not in the backup: it gets one of its own", key, mode);
		return false;
	}
	SCOPED(free_at) char *name = clone_config_name(m->options->id, other);
	(void)json_object_set_new(m->host, key, json_sprintf("%s%s", container_mode, name));
	return true;
}

void
clone_context_namespaces(const struct clone_context *m)
{
	static const struct {
		const char *key, *what;
	} modes[] = {{"PidMode", "the host's processes"},
		{"IpcMode", "the host's shared memory and semaphores"},
		{"UTSMode", "the host's name"}, {"UsernsMode", "the host's user ids"}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const char *mode = json_text(clone_context_host(m), modes[i].key, NULL);

		if (clone_context_map_mode(m, modes[i].key))
			continue;
		if (strcmp(mode, "host") == 0)
			clone_context_lose(m, "%s is \"host\": it does not see %s", modes[i].key,
				modes[i].what);
		else if (strcmp(modes[i].key, "IpcMode") == 0 &&
			 (strcmp(mode, "shareable") == 0 || strcmp(mode, "private") == 0 ||
				 strcmp(mode, "none") == 0))
			(void)json_object_set_new(m->host, "IpcMode", json_string(mode));
	}
}

/* ---- networks ---- */

static json_t *
networks_of(const json_t *inspect)
{
	return json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
}

static bool
is_default(const char *mode)
{
	return mode[0] == '\0' || strcmp(mode, "default") == 0 || strcmp(mode, "bridge") == 0;
}

bool
clone_context_own_network(const char *mode)
{
	return strcmp(mode, "host") != 0 && strcmp(mode, "none") != 0 &&
	       strncmp(mode, container_mode, sizeof(container_mode) - 1) != 0;
}

/* The network that it is created with; it may be meant by its id. */
static const char *
main_network(const json_t *inspect)
{
	const char *mode = json_text(json_object_get(inspect, "HostConfig"), "NetworkMode", NULL);
	const size_t len = strlen(mode);
	const char *name;
	json_t *endpoint;

	if (is_default(mode))
		return "bridge";
	json_object_foreach (networks_of(inspect), name, endpoint) {
		if (len >= 12 && strncmp(json_text(endpoint, "NetworkID", NULL), mode, len) == 0)
			return name;
	}
	return mode;
}

json_t *
clone_config_networks(const json_t *inspect)
{
	const char *mode = json_text(json_object_get(inspect, "HostConfig"), "NetworkMode", NULL);
	json_t *list = json_array();
	const char *name;
	json_t *endpoint;

	if (!clone_context_own_network(mode))
		return list;
	(void)json_array_append_new(list, json_string(main_network(inspect)));
	json_object_foreach (networks_of(inspect), name, endpoint) {
		if (strcmp(name, main_network(inspect)) != 0 && clone_context_own_network(name))
			(void)json_array_append_new(list, json_string(name));
	}
	return list;
}

/* "NAME:ALIAS" and "/NAME:/CONTAINER/ALIAS" become "CLONE:ALIAS". */
static void
clone_context_map_links(const struct clone_context *m, const json_t *links, json_t *to)
{
	const json_t *item;
	size_t i;

	json_array_foreach (links, i, item) {
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		const char *start = text + (text[0] == '/');
		const size_t len = strcspn(start, ":");
		SCOPED(free_at) char *target = mem_copy(start, len);
		const char *behind = start[len] == ':' ? start + len + 1 : target;
		const char *slash = strrchr(behind, '/');
		const char *other = m->options->container(m->options->ctx, target);

		if (other == NULL) {
			clone_context_lose(m, "link %s: that container is not in the backup", text);
			continue;
		}
		SCOPED(free_at) char *name = clone_config_name(m->options->id, other);
		(void)json_array_append_new(
			to, json_sprintf("%s:%s", name, slash == NULL ? behind : slash + 1));
	}
}

/* It is found by all names that the recorded one had, and finds others by its links. */
static json_t *
clone_context_endpoint_of(
	const struct clone_context *m, const char *network, const json_t *endpoint)
{
	json_t *aliases = json_array(), *links = json_array();
	const json_t *ipam = json_object_get(endpoint, "IPAMConfig");
	const json_t *alias;
	size_t i;

	(void)json_array_append_new(aliases, json_string(m->name));
	json_array_foreach (json_object_get(endpoint, "Aliases"), i, alias) {
		if (json_is_string(alias) && strcmp(json_string_value(alias), m->name) != 0)
			(void)json_array_append_new(aliases, json_string(json_string_value(alias)));
	}
	clone_context_map_links(m, json_object_get(endpoint, "Links"), links);
	if (strcmp(network, "bridge") == 0)
		clone_context_map_links(m, json_object_get(clone_context_host(m), "Links"), links);
	if (!clone_context_is_empty(json_object_get(ipam, "IPv4Address")) ||
		!clone_context_is_empty(json_object_get(ipam, "IPv6Address")))
		clone_context_lose(m, "its fixed address %s%s on network %s",
			json_text(ipam, "IPv4Address", NULL), json_text(ipam, "IPv6Address", NULL),
			network);
	return json_pack("{s:o, s:o}", "Aliases", aliases, "Links", links);
}

/* {clone's network: endpoint}, and NetworkMode. */
json_t *
clone_context_networks(const struct clone_context *m)
{
	const char *mode = json_text(clone_context_host(m), "NetworkMode", NULL);
	SCOPED(json_decref_at) json_t *names = clone_config_networks(m->inspect);
	json_t *networks = json_object();
	const json_t *item;
	size_t i;

	(void)json_object_set_new(m->host, "NetworkMode", json_string("none"));
	if (strcmp(mode, "host") == 0) {
		clone_context_lose(
			m, "the host's network: its addresses, routes, interfaces and the outside");
		if (m->options->holder != NULL)
			(void)json_object_set_new(m->host, "NetworkMode",
				json_sprintf("%s%s", container_mode, m->options->holder));
	} else if (!clone_context_own_network(mode)) {
		(void)clone_context_map_mode(m, "NetworkMode");
	}
	json_array_foreach (names, i, item) {
		const char *network = json_string_value(item);
		SCOPED(free_at) char *name = clone_config_name(m->options->id, network);

		(void)json_object_set_new(networks, name,
			clone_context_endpoint_of(
				m, network, json_object_get(networks_of(m->inspect), network)));
		if (i == 0)
			(void)json_object_set_new(m->host, "NetworkMode", json_string(name));
	}
	return networks;
}
