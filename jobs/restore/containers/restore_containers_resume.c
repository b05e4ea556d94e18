/* How far a restore had come, after a crash: by its note and by what the engine says. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/restore_containers.h"

/* StartedAt of a container that never was. */
static const char never[] = "0001-01-01T00:00:00Z";

/* NULL if there is none. */
static int
restore_containers_resume_find_named(
	struct engine *g, const char *name, json_t **ret_inspect, struct err *e)
{
	*ret_inspect = NULL;
	return containers_find(g, name, ret_inspect, e) == 0 || e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* Whether ${named}, which has the name of ${item}, was made by this restore.  Those that were may
 * be started only after their ids were noted. */
static bool
is_made_by_us(
	const struct restore_container *item, const json_t *named, const json_t *made, bool started)
{
	const char *id = json_string_value(json_object_get(made, item->name));

	if (id != NULL)
		return strcmp(id, json_text(named, "Id", NULL)) == 0;
	if (strcmp(json_text(named, "State", "StartedAt"), never) != 0)
		return started && made == NULL && /* a note of an earlier version has no ids */
		       recreate_equal(named, NULL, item->inspect, NULL);
	/* Not compared are references, which are mapped.  It has no data but the restore's. */
	return json_equal(json_object_get(named, "Path"), json_object_get(item->inspect, "Path")) &&
	       json_equal(json_object_get(named, "Args"), json_object_get(item->inspect, "Args")) &&
	       json_equal(json_object_get(json_object_get(named, "Config"), "Env"),
		       json_object_get(json_object_get(item->inspect, "Config"), "Env"));
}

/* How far ${item} had come, by its old container, which is ${old}. */
static void
judge_old(struct restore *r, struct restore_container *item, const json_t *old)
{
	const json_t *then = item->present;

	if (strcmp(container_name(old), item->aside) != 0) {
		free(item->aside);
		item->aside = NULL;
		if (strcmp(container_name(old), item->name) != 0)
			restore_left(r, "container", item->name,
				"it was renamed to %s meanwhile, and keeps that name",
				container_name(old));
	}
	item->policy_off =
		!json_equal(container_restart_policy(old), container_restart_policy(then));
	item->untouched = item->aside == NULL && !item->policy_off &&
			  strcmp(json_text(old, "State", "StartedAt"),
				  json_text(then, "State", "StartedAt")) == 0 &&
			  strcmp(container_state(old), container_state(then)) == 0;
	item->unsure = r->stopping && json_truth(old, "State", "Running") &&
		       strcmp(json_text(old, "State", "StartedAt"),
			       json_text(then, "State", "StartedAt")) == 0;
}

static int
restore_containers_resume_look_again(
	struct restore *r, struct restore_container *item, const json_t *made, struct err *e)
{
	struct engine *g = r->request->engine;
	SCOPED(json_decref_at) json_t *old = NULL;
	SCOPED(json_decref_at) json_t *named = NULL;
	const char *old_id = json_text(item->present, "Id", NULL);

	item->aside = mem_format("%s.fuel-backup-%s", item->name, restore_id(r));
	if (item->present != NULL && containers_inspect(g, old_id, &old, e) != 0 &&
		e->code != ERR_NOT_FOUND)
		return -1;
	item->stopped =
		item->present != NULL && strcmp(container_state(item->present), "stopped") != 0;
	if (old != NULL) {
		judge_old(r, item, old);
	} else {
		item->lost = item->present != NULL;
		free(item->aside);
		item->aside = NULL;
	}
	item->started = !item->untouched;
	if (item->way == WAY_IN_PLACE)
		item->id = mem_string(old_id);
	if (restore_containers_resume_find_named(g, item->name, &named, e) != 0)
		return -1;
	if (named == NULL || strcmp(json_text(named, "Id", NULL), old_id) == 0)
		return 0;
	item->created = item->way != WAY_IN_PLACE && is_made_by_us(item, named, made, r->started);
	item->foreign = !item->created;
	if (item->created)
		item->id = mem_string(json_text(named, "Id", NULL));
	return 0;
}

int
restore_containers_resume(struct restore *r, const json_t *made, struct err *e)
{
	for (size_t i = 0; i < r->count; i++)
		if (restore_containers_resume_look_again(r, &r->items[i], made, e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	return 0;
}

json_t *
restore_containers_made(const struct restore *r)
{
	json_t *made = json_object();

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].created && r->items[i].id != NULL)
			(void)json_object_set_new(
				made, r->items[i].name, json_string(r->items[i].id));
	return made;
}

json_t *
restore_containers_networks(const struct restore *r)
{
	json_t *all = json_object();

	for (size_t i = 0; i < r->count; i++) {
		json_t *networks = json_object_get(
			json_object_get(r->items[i].present, "NetworkSettings"), "Networks");
		const char *name;
		json_t *endpoint;

		if (r->items[i].keeps)
			continue;
		json_object_foreach (networks, name, endpoint) {
			json_t *inspect;
			struct err ignored;

			(void)endpoint;
			if (!networks_predefined(name) && json_object_get(all, name) == NULL &&
				networks_find(r->request->engine, name, &inspect, &ignored) == 0)
				(void)json_object_set_new(all, name, inspect);
		}
	}
	return all;
}
