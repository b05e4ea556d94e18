#include "jobs/restore/containers/outsiders.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/lender.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/services.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/sources/order.h"

static bool
outsiders_is_known(const struct restore *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].id != NULL && strcmp(r->items[i].id, id) == 0)
			return true;
	return r->self->container && strcmp(r->self->id, id) == 0;
}

/* What of the restore the container ${inspect} uses, in words; NULL: nothing.  Borrowed. */
static const char *
uses_data(const struct restore *r, const json_t *inspect)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++)
		if (targets[i].container == NULL &&
			restore_data_mounts(r->refill, inspect, &targets[i], false))
			return targets[i].prefix;
	return NULL;
}

/* The item whose namespaces, volumes or links ${inspect} uses; NULL: none. */
static const struct restore_container *
uses_item(const struct restore *r, const json_t *inspect)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL && !r->items[i].bystander &&
			order_needs(inspect, r->items[i].present, false))
			return &r->items[i];
	return NULL;
}

static bool
may_stop(const struct restore *r, const json_t *inspect)
{
	const json_t *labels = json_object_get(json_object_get(inspect, "Config"), "Labels");
	const char *owner = r->self->network_owner;

	return strcmp(json_text(labels, "fuel-backup.exclude", NULL), "true") != 0 &&
	       (owner == NULL || strcmp(owner, json_text(inspect, "Id", NULL)) != 0);
}

static int
add(struct restore *r, json_t *inspect, struct err *e)
{
	const char *data = uses_data(r, inspect);
	const struct restore_container *item = uses_item(r, inspect);

	if (data == NULL && item == NULL)
		return 0;
	if (item != NULL && item->way == WAY_REPLACE)
		return err_set(e, ERR_CONFLICT,
			"container %s, which is no part of the backup, uses container %s, which "
			"has to be made again: stop it first",
			container_name(inspect), item->name);
	if (!may_stop(r, inspect))
		return err_set(e, ERR_CONFLICT,
			"container %s, which is no part of the backup and is not to be touched, "
			"uses %s: stop it first",
			container_name(inspect), data != NULL ? data : item->name);
	if (container_service(inspect) != NULL &&
		services_claim(r, inspect, data != NULL ? data : item->name, e) != 0)
		return -1;
	r->items = mem_array(r->items, r->count + 1, sizeof(*r->items));
	r->items[r->count++] = (struct restore_container){.name = container_name(inspect),
		.inspect = inspect,
		.way = WAY_IN_PLACE,
		.present = json_incref(inspect),
		.id = mem_string(json_text(inspect, "Id", NULL)),
		.bystander = true};
	return 0;
}

int
outsiders_add(struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *entry;
	size_t i;

	if (containers_list(r->request->engine, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, entry) {
		SCOPED(json_decref_at) json_t *inspect = NULL;
		const char *id = json_text(entry, "Id", NULL);

		if (outsiders_is_known(r, id) ||
			json_object_get(json_object_get(entry, "Labels"), LENDER_LABEL) != NULL)
			continue;
		if (containers_inspect(r->request->engine, id, &inspect, e) != 0) {
			if (e->code == ERR_NOT_FOUND) /* gone since it was listed */
				continue;
			return -1;
		}
		if (strcmp(container_state(inspect), "stopped") != 0 && add(r, inspect, e) != 0)
			return -1;
	}
	return 0;
}
