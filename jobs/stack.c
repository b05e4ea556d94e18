#include "jobs/stack.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "jobs/image_ids.h"
#include "jobs/inventory.h"
#include "jobs/manifest.h"
#include "jobs/order.h"
#include "jobs/references.h"
#include "jobs/selection.h"
#include "jobs/start_limit.h"

enum { SETTLE_US = 1500 * 1000 };
enum { START_TRIES = 20, START_AGAIN_US = 500 * 1000 };

static bool
in_state(const struct stack_item *item, const char *state)
{
	return strcmp(container_state(item->inspect), state) == 0;
}

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
		if (networks_find(g, name, &now, &e) != 0 ||
			strcmp(json_text(now, "Id", NULL), id) != 0)
			return true;
	}
	return false;
}

/* It stays what it is; that cannot be if what it names by id is made again. */
static int
choose_bystander(struct restore *r, size_t i, struct err *e)
{
	struct stack_item *item = &r->items[i];

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
is_equal(struct restore *r, const struct stack_item *item, bool *ret_equal, struct err *e)
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
choose(struct restore *r, size_t i, struct err *e)
{
	struct stack_item *item = &r->items[i];
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
stack_plan(struct restore *r, struct err *e)
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
		if (choose(r, i, e) != 0)
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

static const json_t *
policy_of(const json_t *inspect)
{
	return json_object_get(json_object_get(inspect, "HostConfig"), "RestartPolicy");
}

int
stack_finish(struct restore *r, struct err *e)
{
	struct engine *g = r->request->engine;

	for (size_t i = 0; i < r->count; i++) {
		struct stack_item *item = &r->items[i];

		/* By its id: it may have been renamed by hand meanwhile. */
		if (item->aside != NULL &&
			containers_remove(g, json_text(item->present, "Id", NULL), e) != 0)
			return err_prefix(e, "container %s", item->aside);
		if (item->way == WAY_IN_PLACE && item->policy_off &&
			containers_set_restart(g, item->id, policy_of(item->inspect), e) != 0)
			return err_prefix(e, "container %s", item->name);
	}
	return 0;
}

/*
 * An engine that was killed and is back may refuse what it was doing (“task … already exists”)
 * until it has seen what became of that, which takes it a moment.
 */
static int
start_again(struct engine *g, const char *id, struct err *e)
{
	for (int tries = START_TRIES;; tries--) {
		const int status = containers_start(g, id, e);

		if (status == 0 || tries == 1 || e->code != ERR_ENGINE || e->number < 500)
			return status;
		(void)usleep(START_AGAIN_US);
	}
}

int
stack_wake(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++)
		if (in_state(&r->items[i], "running") && r->items[i].id != NULL &&
			start_again(r->request->engine, r->items[i].id, e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	return 0;
}

/* Its policy first: else the engine starts one again that ends by itself just now. */
static void
halt_item(struct engine *g, struct stack_item *item)
{
	SCOPED(json_decref_at) json_t *off = json_pack("{s:s}", "Name", "no");
	struct err e;

	if (!item->policy_off && item->way == WAY_IN_PLACE &&
		start_limit_comes_again(item->present) &&
		containers_set_restart(g, item->id, off, &e) == 0)
		item->policy_off = true;
	(void)containers_kill(g, item->id, "KILL", &e);
}

void
stack_halt(struct restore *r)
{
	for (size_t i = r->count; i-- > 0;)
		if (r->items[i].id != NULL && !in_state(&r->items[i], "stopped") &&
			!r->items[i].untouched && !r->items[i].keeps &&
			(r->items[i].created ||
				(r->items[i].way == WAY_IN_PLACE &&
					(r->items[i].stopped || r->items[i].started))))
			halt_item(r->request->engine, &r->items[i]);
}

static int
revive(struct engine *g, struct stack_item *item, struct err *e)
{
	const char *id = json_text(item->present, "Id", NULL);

	if (item->untouched)
		return 0;
	if (item->aside != NULL && containers_rename(g, id, item->name, e) != 0)
		return -1;
	if (item->policy_off && containers_set_restart(g, id, policy_of(item->present), e) != 0)
		return -1;
	if (!item->stopped)
		return 0;
	if (start_again(g, id, e) != 0)
		return -1;
	return json_truth(item->present, "State", "Paused") ? containers_pause(g, id, e) : 0;
}

int
stack_undo(struct restore *r)
{
	struct engine *g = r->request->engine;
	int status = 0;
	struct err e;
	size_t i;

	for (i = r->count; i-- > 0;)
		if (r->items[i].created && containers_remove(g, r->items[i].id, &e) != 0) {
			log_error("restore: new container %s stays: %s", r->items[i].name, e.text);
			status = -1;
		}
	for (i = 0; i < r->count; i++)
		if (r->items[i].present != NULL && !r->items[i].keeps &&
			revive(g, &r->items[i], &e) != 0) {
			log_error(
				"restore: container %s is not back: %s", r->items[i].name, e.text);
			status = -1;
		}
	return status;
}

/* Whether it runs, if it did before; it is started if not. */
static int
keep_up(struct engine *g, const struct stack_item *item, struct err *e)
{
	const char *id = json_text(item->present, "Id", NULL);
	SCOPED(json_decref_at) json_t *now = NULL;

	if (item->present == NULL || item->keeps ||
		strcmp(container_state(item->present), "running") != 0)
		return 0;
	if (containers_inspect(g, id, &now, e) != 0)
		return -1;
	if (json_truth(now, "State", "Running") || json_truth(now, "State", "Restarting"))
		return 0;
	return start_again(g, id, e);
}

int
stack_settle(struct restore *r)
{
	int status = 0;
	struct err e;

	(void)usleep(SETTLE_US);
	for (size_t i = 0; i < r->count; i++)
		if (keep_up(r->request->engine, &r->items[i], &e) != 0) {
			log_error("restore: container %s does not stay up: %s", r->items[i].name,
				e.text);
			status = -1;
		}
	return status;
}

static void
look_again(struct engine *g, struct restore *r, struct stack_item *item)
{
	SCOPED(json_decref_at) json_t *old = NULL;
	SCOPED(json_decref_at) json_t *named = NULL;
	const char *old_id = json_text(item->present, "Id", NULL);
	struct err e;

	item->aside = mem_format("%s.fuel-backup-%s", item->name, restore_id(r));
	if (item->present == NULL || containers_inspect(g, old_id, &old, &e) != 0 ||
		strcmp(container_name(old), item->aside) != 0) {
		free(item->aside);
		item->aside = NULL;
	}
	item->policy_off = old != NULL && !json_equal(policy_of(old), policy_of(item->present));
	item->stopped =
		item->present != NULL && strcmp(container_state(item->present), "stopped") != 0;
	item->untouched = old != NULL && item->aside == NULL && !item->policy_off &&
			  strcmp(json_text(old, "State", "StartedAt"),
				  json_text(item->present, "State", "StartedAt")) == 0 &&
			  strcmp(container_state(old), container_state(item->present)) == 0;
	item->started = !item->untouched;
	if (item->way == WAY_IN_PLACE)
		item->id = mem_string(old_id);
	else if (containers_find(g, item->name, &named, &e) == 0 &&
		 strcmp(json_text(named, "Id", NULL), old_id) != 0) {
		item->created = true;
		item->id = mem_string(json_text(named, "Id", NULL));
	}
}

void
stack_resume(struct restore *r)
{
	for (size_t i = 0; i < r->count; i++)
		look_again(r->request->engine, r, &r->items[i]);
}
