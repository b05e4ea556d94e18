#include "jobs/restore/containers/replaced_networks.h"

#include <string.h>

#include "base/scope.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/differing.h"
#include "jobs/sources/order.h"

bool
replaced_networks_has(const struct restore *r, const char *name)
{
	return json_object_get(r->replaced, name) != NULL;
}

static bool
is_in(const json_t *inspect, const char *name)
{
	return json_object_get(
		       json_object_get(json_object_get(inspect, "NetworkSettings"), "Networks"),
		       name) != NULL;
}

/* Whether ${item} is in one of them, in the backup or now. */
static bool
is_concerned(const struct restore *r, const struct restore_container *item)
{
	const char *name;
	json_t *value;

	json_object_foreach (r->replaced, name, value) {
		if (is_in(item->inspect, name) || is_in(item->present, name))
			return true;
	}
	return false;
}

/* Whether ${item}, which would stay, names by id one before it that is made again. */
static bool
follows(const struct restore *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (r->items[k].way != WAY_IN_PLACE &&
			order_needs(r->items[i].inspect, r->items[k].inspect, false))
			return true;
	return false;
}

int
replaced_networks_plan(struct restore *r, struct err *e)
{
	const json_t *item;
	size_t i;

	r->replaced = json_object();
	json_array_foreach (r->differing, i, item) {
		const char *name = json_text(item, "name", NULL);
		json_t *recorded = json_object_get(r->contents->networks, name), *present;

		if (strcmp(json_text(item, "kind", NULL), "network") != 0 ||
			strcmp(json_text(item, "becomes", NULL), "replaced") != 0)
			continue;
		if (networks_find(r->request->engine, name, &present, e) != 0)
			return err_prefix(e, "network %s", name);
		(void)json_object_set_new(r->replaced, name,
			json_pack("{s:o, s:O}", "old", present, "new", recorded));
	}
	for (i = 0; i < r->count; i++)
		if (r->items[i].way == WAY_IN_PLACE && !r->items[i].bystander &&
			(is_concerned(r, &r->items[i]) || follows(r, i)))
			r->items[i].way = WAY_REPLACE;
	return 0;
}

int
replaced_networks_make(struct restore *r, struct err *e)
{
	struct engine *g = r->request->engine;
	const char *name;
	json_t *pair;

	json_object_foreach (r->replaced, name, pair) {
		const char *id = json_text(json_object_get(pair, "old"), "Id", NULL);

		if (networks_remove(g, id, e) != 0 && e->code != ERR_NOT_FOUND)
			return err_prefix(e, "network %s", name);
		if (networks_recreate(g, json_object_get(pair, "new"), e) != 0)
			return err_prefix(e, "network %s", name);
	}
	return 0;
}

/* The old container ${item} is in ${name} again, whose id is another one now. */
static int
connect_again(
	struct restore *r, const struct restore_container *item, const char *name, struct err *e)
{
	struct engine *g = r->request->engine;
	const char *id = json_text(item->present, "Id", NULL);
	const json_t *endpoint = json_object_get(
		json_object_get(json_object_get(item->present, "NetworkSettings"), "Networks"),
		name);
	SCOPED(json_decref_at)
	json_t *again = json_pack("{s:O*, s:O*, s:O*}", "IPAMConfig",
		json_object_get(endpoint, "IPAMConfig"), "Aliases",
		json_object_get(endpoint, "Aliases"), "Links", json_object_get(endpoint, "Links"));
	struct err ignored;

	(void)networks_disconnect(g, name, id, &ignored);
	if (networks_connect(g, name, id, again, e) == 0 || e->code == ERR_NOT_FOUND)
		return 0;
	return err_prefix(e, "container %s", item->name);
}

/* 1: ${name} is as it was, or shall stay as it is; 0: it is not there (any more); -1. */
static int
clear_way(struct restore *r, const char *name, const json_t *pair, struct err *e)
{
	struct engine *g = r->request->engine;
	SCOPED(json_decref_at) json_t *here = NULL;
	SCOPED(json_decref_at) json_t *fields = NULL;

	if (networks_find(g, name, &here, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (strcmp(json_text(here, "Id", NULL),
		    json_text(json_object_get(pair, "old"), "Id", NULL)) == 0)
		return 1;
	fields = differing_fields("network", json_object_get(pair, "new"), here);
	if (json_array_size(fields) > 0) {
		restore_left(r, "network", name, "another one was made meanwhile, which stays");
		return 1;
	}
	if (networks_remove(g, json_text(here, "Id", NULL), e) == 0 || e->code == ERR_NOT_FOUND)
		return 0;
	restore_left(r, "network", name, "it stays as it is in the backup: %s", e->text);
	return 1;
}

static int
undo_one(struct restore *r, const char *name, const json_t *pair, struct err *e)
{
	const int there = clear_way(r, name, pair, e);

	if (there != 0)
		return there < 0 ? -1 : 0;
	if (networks_recreate(r->request->engine, json_object_get(pair, "old"), e) != 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].lost && is_in(r->items[i].present, name) &&
			connect_again(r, &r->items[i], name, e) != 0)
			return -1;
	return 0;
}

int
replaced_networks_undo(struct restore *r, struct err *e)
{
	const char *name;
	json_t *pair;

	json_object_foreach (r->replaced, name, pair) {
		if (undo_one(r, name, pair, e) != 0)
			return err_prefix(e, "network %s", name);
	}
	return 0;
}
