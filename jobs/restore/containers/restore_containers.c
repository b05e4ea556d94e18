#include "jobs/restore/containers/restore_containers.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "jobs/content/manifest.h"
#include "jobs/restore/containers/image_ids.h"
#include "jobs/restore/containers/references.h"
#include "jobs/restore/containers/start_limit.h"
#include "jobs/restore/state/selection.h"
#include "jobs/sources/inventory.h"
#include "jobs/sources/order.h"

/* True if a network of the present container is not the one it was connected to. */
static bool
network_lost(struct engine *g, const json_t *present)
{
	json_t *networks = json_object_get(json_object_get(present, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach (networks, name, endpoint) {
		SCOPED(json_decref_at) json_t *now = NULL;
		const char *id = json_text(endpoint, "NetworkID", NULL);
		struct err e;

		if (networks_predefined(name) || id[0] == '\0')
			continue;
		if (networks_find(g, name, &now, &e) != 0)
			return true;
		/* Podman tells the name where the id should be. */
		if (strcmp(json_text(now, "Id", NULL), id) != 0 && strcmp(name, id) != 0)
			return true;
	}
	return false;
}

/* It stays what it is; that cannot be if what it names by id is made again. */
static int
choose_bystander(struct restore *r, size_t i, struct err *e)
{
	struct restore_container *item = &r->items[i];

	item->way = WAY_IN_PLACE;
	item->inspect = item->present;
	for (size_t k = 0; k < i; k++)
		if (r->items[k].way == WAY_REPLACE &&
			order_needs(item->inspect, r->items[k].present, false))
			return err_set(e, ERR_CONFLICT,
				"container %s needs container %s, which has to be made again: name "
				"it in \"only\", too",
				item->name, r->items[k].name);
	return 0;
}

/* 1 if ${present} has the image that ${inspect} was recorded with, whatever its id is here. */
static int
same_image(const struct restore *r, const json_t *inspect, const json_t *present, struct err *e)
{
	const char *recorded = json_text(inspect, "Image", NULL);
	const char *id = json_text(present, "Image", NULL);
	const json_t *image;
	size_t i;

	if (strcmp(id, recorded) == 0 || strcmp(id, image_ids_here(r->image_ids, recorded)) == 0)
		return 1;
	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		if (strcmp(json_text(image, "id", NULL), recorded) == 0)
			return image_ids_means(r->request->engine, image, id, e);
	}
	return 0;
}

/* Whether what is there is what was recorded, in what it refers to as well. */
static int
is_equal(struct restore *r, const struct restore_container *item, bool *ret_equal, struct err *e)
{
	struct references here = {.restore = r, .view = REFERENCES_PRESENT};
	struct references there = {.restore = r, .view = REFERENCES_RECORDED};
	struct recreate_options of_here = {0}, of_there = {0};

	const int same = same_image(r, item->inspect, item->present, e);

	if (same < 0)
		return -1;
	references_use(&here, &of_here);
	references_use(&there, &of_there);
	*ret_equal = same == 1 &&
		     recreate_equal(item->present, &of_here, item->inspect, &of_there) &&
		     !network_lost(r->request->engine, item->present);
	return references_check(&here, e) != 0 ? -1 : references_check(&there, e);
}

static int
restore_containers_choose(struct restore *r, size_t i, struct err *e)
{
	struct restore_container *item = &r->items[i];
	bool equal;

	if (containers_find(r->request->engine, item->name, &item->present, e) != 0) {
		item->way = item->bystander ? WAY_IN_PLACE : WAY_NEW;
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	}
	item->id = mem_string(json_text(item->present, "Id", NULL));
	if (item->bystander)
		return choose_bystander(r, i, e);
	if (is_equal(r, item, &equal, e) != 0)
		return -1;
	if (json_object_get(r->leaked, item->name) != NULL)
		equal = false;
	item->way = equal ? WAY_IN_PLACE : WAY_REPLACE;
	for (size_t k = 0; k < i; k++)
		if (item->way == WAY_IN_PLACE && r->items[k].way != WAY_IN_PLACE &&
			order_needs(item->inspect, r->items[k].inspect, false))
			item->way = WAY_REPLACE;
	return 0;
}

int
restore_containers_plan(struct restore *r, struct err *e)
{
	SCOPED(free_at) const char **names = NULL;

	r->count = json_object_size(r->contents->inspects);
	r->items = mem_new((r->count + 1) * sizeof(*r->items));
	if (image_ids_find(r->request->engine, json_object_get(r->contents->manifest, "images"),
		    &r->image_ids, e) != 0)
		return -1;
	order_containers(r->contents->inspects, &names);
	for (size_t i = 0; i < r->count; i++) {
		r->items[i].name = names[i];
		r->items[i].inspect = json_object_get(r->contents->inspects, names[i]);
		r->items[i].bystander = !selection_container(r->selection, names[i]);
		if (restore_containers_choose(r, i, e) != 0)
			return -1;
		if (r->items[i].present != NULL && r->self->container &&
			strcmp(r->items[i].id, r->self->id) == 0)
			return err_set(e, ERR_CONFLICT,
				"container %s is this service itself now: start it under "
				"another name first",
				names[i]);
	}
	return 0;
}

/* What names by id a container that is made again is made again, too. */
static void
take_dependants_along(struct restore *r, size_t i)
{
	for (size_t k = i + 1; k < r->count; k++)
		if (r->items[k].way == WAY_IN_PLACE && r->items[k].present != NULL &&
			!r->items[k].bystander &&
			order_needs(r->items[k].inspect, r->items[i].inspect, false))
			r->items[k].way = WAY_REPLACE;
}

bool
restore_containers_vanish(struct restore *r)
{
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		struct restore_container *item = &r->items[i];

		if (item->way == WAY_IN_PLACE && item->present != NULL && !item->keeps &&
			json_truth(item->present, "HostConfig", "AutoRemove") &&
			strcmp(container_state(item->present), "stopped") != 0) {
			item->way = WAY_REPLACE;
			any = true;
		}
		if (any && item->way == WAY_REPLACE)
			take_dependants_along(r, i);
	}
	return any;
}
