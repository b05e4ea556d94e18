/* Which services a restore concerns, and how. */
#include "jobs/restore/containers/services.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "engine/networks.h"
#include "engine/swarm.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/services_internal.h"
#include "jobs/restore/state/selection.h"

/* ---- the same settings, whatever ids are here ---- */

static void
name_networks(json_t *list, const json_t *networks)
{
	const json_t *network;
	json_t *one;
	size_t i, k;

	json_array_foreach (list, i, one) {
		json_array_foreach (networks, k, network) {
			if (json_equal(
				    json_object_get(network, "Id"), json_object_get(one, "Target")))
				(void)json_object_set(
					one, "Target", json_object_get(network, "Name"));
		}
	}
}

static void
drop_ids(json_t *list, const char *field)
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		(void)json_object_del(one, field);
	}
}

/* ${spec} without what differs from one Swarm to another; a new object. */
static json_t *
plain(const json_t *spec, const json_t *networks)
{
	json_t *copy = json_deep_copy(spec);
	json_t *template = json_object_get(copy, "TaskTemplate");
	json_t *container = json_object_get(template, "ContainerSpec");

	name_networks(json_object_get(template, "Networks"), networks);
	name_networks(json_object_get(copy, "Networks"), networks);
	drop_ids(json_object_get(container, "Secrets"), "SecretID");
	drop_ids(json_object_get(container, "Configs"), "ConfigID");
	(void)json_object_del(template, "ForceUpdate");
	return copy;
}

static bool
is_same(const json_t *recorded, const json_t *present, const json_t *networks)
{
	SCOPED(json_decref_at) json_t *a = plain(json_object_get(recorded, "Spec"), networks);
	SCOPED(json_decref_at) json_t *b = plain(json_object_get(present, "Spec"), networks);

	return json_equal(a, b);
}

/* ---- the list ---- */

static json_t *
find(const struct restore *r, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach (r->services, i, one) {
		if (strcmp(json_text(one, "name", NULL), name) == 0)
			return one;
	}
	return NULL;
}

/* What is here of that name, with the number of its tasks; JSON null if there is none. */
static int
look(const struct restore *r, const char *name, json_t **ret_before, struct err *e)
{
	SCOPED(json_decref_at) json_t *present = NULL;
	size_t running, wanted;

	if (swarm_find(r->request->engine, "services", name, &present, e) != 0) {
		*ret_before = json_null();
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	}
	if (swarm_tasks(r->request->engine, name, &running, &wanted, NULL, e) != 0)
		return -1;
	*ret_before = json_pack("{s:O, s:O, s:I}", "ID", json_object_get(present, "ID"), "Spec",
		json_object_get(present, "Spec"), "running", (json_int_t)running);
	return 0;
}

static int
plan_one(struct restore *r, json_t *recorded, const json_t *networks, struct err *e)
{
	const char *name = swarm_name(recorded), *way = "created";
	json_t *before;

	if (look(r, name, &before, e) != 0)
		return err_prefix(e, "service %s", name);
	if (!json_is_null(before))
		way = is_same(recorded, before, networks) ? "unchanged" : "updated";
	return json_array_append_new(
		r->services, json_pack("{s:s, s:s, s:b, s:O, s:o}", "name", name, "way", way,
				     "stop", 0, "recorded", recorded, "before", before));
}

int
services_plan(struct restore *r, struct err *e)
{
	json_t *swarm = json_object_get(r->contents->manifest, "swarm"), *recorded;
	SCOPED(json_decref_at) json_t *info = NULL;
	SCOPED(json_decref_at) json_t *networks = NULL;
	size_t i;

	r->services = json_array();
	if (engine_info(r->request->engine, &info, e) != 0)
		return -1;
	r->manages = swarm_role(info) == SWARM_MANAGER;
	if (r->manages && networks_list(r->request->engine, &networks, e) != 0)
		return -1;
	json_array_foreach (json_object_get(swarm, "services"), i, recorded) {
		const char *name = swarm_name(recorded);

		if (!selection_service(r->selection, name))
			continue;
		if (!r->manages) /* an obstacle */
			(void)json_array_append_new(r->services,
				json_pack("{s:s, s:s, s:b, s:O, s:n}", "name", name, "way",
					"created", "stop", 0, "recorded", recorded, "before"));
		else if (plan_one(r, recorded, networks, e) != 0)
			return -1;
	}
	return 0;
}

int
services_claim(struct restore *r, const json_t *task, const char *what, struct err *e)
{
	const char *service = container_service(task);
	json_t *before;

	if (!r->manages)
		return err_set(e, ERR_CONFLICT,
			"container %s uses %s and is a task of the Swarm service %s, which Swarm "
			"would start again meanwhile, and this node is no manager: stop the "
			"service first (on a manager: `docker service scale %s=0`)",
			container_name(task), what, service, service);
	if (find(r, service) == NULL) {
		if (look(r, service, &before, e) != 0)
			return err_prefix(e, "service %s", service);
		(void)json_array_append_new(
			r->services, json_pack("{s:s, s:s, s:b, s:n, s:o}", "name", service, "way",
					     "unchanged", "stop", 0, "recorded", "before", before));
	}
	if (!services_can_stop(json_object_get(find(r, service), "before")))
		return err_set(e, ERR_CONFLICT,
			"container %s uses %s and is a task of the Swarm job %s, which cannot be "
			"stopped and go on: restore when it is done, or remove it",
			container_name(task), what, service);
	return 0;
}

void
services_settle(struct restore *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct restore_container *item = &r->items[i];
		const char *service = item->bystander ? container_service(item->inspect) : NULL;

		if (service == NULL) {
			r->items[kept++] = *item;
			continue;
		}
		if (!item->keeps)
			(void)json_object_set_new(find(r, service), "stop", json_true());
		json_decref(item->present);
		free(item->id);
	}
	r->count = kept;
}

json_t *
services_json(const struct restore *r)
{
	json_t *list = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach (r->services, i, one) {
		const char *way = json_text(one, "way", NULL);
		const bool restarted =
			json_truth(one, "stop", NULL) && strcmp(way, "unchanged") == 0;

		if (restarted)
			way = "restarted";
		if (restarted || !json_is_null(json_object_get(one, "recorded")))
			(void)json_array_append_new(
				list, json_pack("{s:s, s:s}", "name", json_text(one, "name", NULL),
					      "way", way));
	}
	return list;
}
