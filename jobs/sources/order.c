#include "jobs/sources/order.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/sources/inventory.h"

struct node {
	const char *name;
	const json_t *inspect;
	bool fixed; /* order_is_fixed */
	bool visited;
};

/* ${text} names ${other}: by id or name, with or without a slash, up to ${len} bytes. */
static bool
order_names(const char *text, size_t len, const json_t *other)
{
	const char *id = json_text(other, "Id", NULL);
	const char *name = container_name(other);

	if (len > 0 && text[0] == '/') {
		text++;
		len--;
	}
	return (len >= 4 && strncmp(text, id, len) == 0) ||
	       (strlen(name) == len && strncmp(text, name, len) == 0);
}

static bool
mode_needs(const json_t *host, const char *field, const json_t *other)
{
	const char *mode = json_text(host, field, NULL);

	return strncmp(mode, "container:", 10) == 0 &&
	       order_names(mode + 10, strlen(mode + 10), other);
}

/* An item is NAME, NAME:ro or /NAME:/ALIAS/.. */
static bool
list_needs(const json_t *list, const json_t *other)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text != NULL && order_names(text, strcspn(text, ":"), other))
			return true;
	}
	return false;
}

static const char *
order_label(const json_t *inspect, const char *name)
{
	return json_text(json_object_get(json_object_get(inspect, "Config"), "Labels"), name, NULL);
}

/* Of the services in the label, "SERVICE:CONDITION:RESTART,…" (before 2.0: "SERVICE,…"), that of
 * ${other}; NULL if it is none. */
static const char *
compose_entry(const json_t *inspect, const json_t *other)
{
	const char *project = order_label(inspect, "com.docker.compose.project");
	const char *service = order_label(other, "com.docker.compose.service");
	const char *at = order_label(inspect, "com.docker.compose.depends_on");
	const size_t len = strlen(service);

	if (project[0] == '\0' || len == 0 ||
		strcmp(project, order_label(other, "com.docker.compose.project")) != 0 ||
		strcmp(order_label(other, "com.docker.compose.oneoff"), "True") == 0)
		return NULL;
	while (*at != '\0') {
		if (strcspn(at, ":,") == len && strncmp(at, service, len) == 0)
			return at;
		at += strcspn(at, ",");
		at += *at == ',';
	}
	return NULL;
}

bool
order_awaits_health(const json_t *inspect, const json_t *other)
{
	static const char condition[] = ":service_healthy";
	const char *entry = compose_entry(inspect, other);

	if (entry == NULL)
		return false;
	return strncmp(entry + strcspn(entry, ":,"), condition, sizeof(condition) - 1) == 0;
}

bool
order_is_fixed(const json_t *inspect)
{
	json_t *networks = json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach (networks, name, endpoint) {
		const json_t *chosen = json_object_get(endpoint, "IPAMConfig");

		if (json_text(chosen, "IPv4Address", NULL)[0] != '\0' ||
			json_text(chosen, "IPv6Address", NULL)[0] != '\0')
			return true;
	}
	return false;
}

bool
order_needs(const json_t *inspect, const json_t *other, bool more)
{
	const json_t *host = json_object_get(inspect, "HostConfig");

	return mode_needs(host, "NetworkMode", other) || mode_needs(host, "PidMode", other) ||
	       mode_needs(host, "IpcMode", other) ||
	       list_needs(json_object_get(host, "Links"), other) ||
	       (more && (list_needs(json_object_get(host, "VolumesFrom"), other) ||
				compose_entry(inspect, other) != NULL));
}

/* Fixed addresses first.  RFC 3339 in UTC with nanoseconds sorts as text; never started is year 1.
 */
static int
by_start(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->fixed != y->fixed)
		return x->fixed ? -1 : 1;
	const int order = strcmp(json_text(x->inspect, "State", "StartedAt"),
		json_text(y->inspect, "State", "StartedAt"));

	return order != 0 ? order : strcmp(x->name, y->name);
}

static void
order_visit(struct node *nodes, size_t count, size_t i, const char **order, size_t *done)
{
	if (nodes[i].visited)
		return;
	nodes[i].visited = true;
	for (size_t k = 0; k < count; k++)
		if (k != i && order_needs(nodes[i].inspect, nodes[k].inspect, true))
			order_visit(nodes, count, k, order, done);
	order[(*done)++] = nodes[i].name;
}

void
order_containers(const json_t *inspects, const char ***ret_names)
{
	json_t *object = json_incref((json_t *)(uintptr_t)inspects);
	const size_t count = json_object_size(object);
	struct node *nodes = mem_array(NULL, count, sizeof(*nodes));
	const char **order = mem_array(NULL, count, sizeof(*order));
	size_t n = 0, done = 0;
	const char *name;
	json_t *inspect;

	json_object_foreach (object, name, inspect) {
		nodes[n++] = (struct node){
			.name = name, .inspect = inspect, .fixed = order_is_fixed(inspect)};
	}
	qsort(nodes, count, sizeof(*nodes), by_start);
	for (size_t i = 0; i < count; i++)
		order_visit(nodes, count, i, order, &done);
	free(nodes);
	json_decref(object);
	*ret_names = order;
}
