#include "jobs/order.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "jobs/inventory.h"

struct node {
	const char *name;
	const json_t *inspect;
	bool visited;
};

/* ${text} names ${other}: by id or name, with or without a slash, up to ${len} bytes. */
static bool
names(const char *text, size_t len, const json_t *other)
{
	const char *id = json_text(other, "Id", NULL);
	const char *name = container_name(other);

	if (len > 0 && text[0] == '/') {
		text++;
		len--;
	}
	return (len >= 12 && strncmp(text, id, len) == 0) ||
	       (strlen(name) == len && strncmp(text, name, len) == 0);
}

static bool
mode_needs(const json_t *host, const char *field, const json_t *other)
{
	const char *mode = json_text(host, field, NULL);

	return strncmp(mode, "container:", 10) == 0 && names(mode + 10, strlen(mode + 10), other);
}

/* An item is NAME, NAME:ro or /NAME:/ALIAS/.. */
static bool
list_needs(const json_t *list, const json_t *other)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (text != NULL && names(text, strcspn(text, ":"), other))
			return true;
	}
	return false;
}

bool
order_needs(const json_t *inspect, const json_t *other, bool volumes)
{
	const json_t *host = json_object_get(inspect, "HostConfig");

	return mode_needs(host, "NetworkMode", other) || mode_needs(host, "PidMode", other) ||
	       mode_needs(host, "IpcMode", other) ||
	       list_needs(json_object_get(host, "Links"), other) ||
	       (volumes && list_needs(json_object_get(host, "VolumesFrom"), other));
}

/* RFC 3339 in UTC with nanoseconds sorts as text; never started is year 1. */
static int
by_start(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	const int order = strcmp(json_text(x->inspect, "State", "StartedAt"),
		json_text(y->inspect, "State", "StartedAt"));

	return order != 0 ? order : strcmp(x->name, y->name);
}

static void
visit(struct node *nodes, size_t count, size_t i, const char **order, size_t *done)
{
	if (nodes[i].visited)
		return;
	nodes[i].visited = true;
	for (size_t k = 0; k < count; k++)
		if (k != i && order_needs(nodes[i].inspect, nodes[k].inspect, true))
			visit(nodes, count, k, order, done);
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
		nodes[n++] = (struct node){.name = name, .inspect = inspect};
	}
	qsort(nodes, count, sizeof(*nodes), by_start);
	for (size_t i = 0; i < count; i++)
		visit(nodes, count, i, order, &done);
	free(nodes);
	json_decref(object);
	*ret_names = order;
}
