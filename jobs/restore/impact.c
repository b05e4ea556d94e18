#include "jobs/restore/impact.h"

#include <string.h>

#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/tmpfs_fill.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/sources/order.h"

static bool
impact_uses(const struct restore *r, const struct restore_container *item, const struct target *t,
	bool writable)
{
	if (t->container != NULL)
		return strcmp(t->container, item->name) == 0;
	return restore_data_mounts(r->refill, item->inspect, t, writable) ||
	       (item->present != NULL &&
		       restore_data_mounts(r->refill, item->present, t, writable));
}

/* The target by which its tree is restored. */
static struct target *
main_of(struct target *t)
{
	while (t->twin != NULL)
		t = t->twin;
	return t;
}

/* Whether it is written to once its containers stand still: a layer that nobody knows is not, and a
 * whole tree that is there was equal (leaks_check_trees). */
static bool
is_written(const struct target *t)
{
	return !t->unknown && (t->form != LAYER_TREE || t->absent);
}

static bool
must_stop(const struct restore *r, const struct restore_container *item)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++)
		if (main_of(&targets[i])->active && impact_uses(r, item, &targets[i], false))
			return true;
	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].keeps && &r->items[i] != item &&
			(order_needs(item->inspect, r->items[i].inspect, false) ||
				(r->items[i].present != NULL &&
					order_needs(item->inspect, r->items[i].present, false))))
			return true;
	return false;
}

/* Whether something became active by it. */
static bool
take_along(const struct restore *r, const struct restore_container *item)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);
	bool more = false;

	for (size_t i = 0; i < count; i++)
		if (is_written(&targets[i]) && !main_of(&targets[i])->active &&
			impact_uses(r, item, &targets[i], true)) {
			main_of(&targets[i])->active = true;
			more = true;
		}
	return more;
}

/* Where nothing is there of a container that is not asked for, nothing is to be done. */
static bool
in_its_state(const struct restore_container *item)
{
	return item->way == WAY_IN_PLACE &&
	       (item->present == NULL ||
		       strcmp(container_state(item->present), container_state(item->inspect)) == 0);
}

void
impact_choose(struct restore *r)
{
	bool more = true;

	for (size_t i = 0; i < r->count; i++)
		r->items[i].keeps = in_its_state(&r->items[i]) && !tmpfs_fill_any(r, &r->items[i]);
	while (more) {
		more = false;
		for (size_t i = 0; i < r->count; i++) {
			struct restore_container *item = &r->items[i];

			if (item->keeps && item->present != NULL && must_stop(r, item)) {
				item->keeps = false;
				more = true;
			}
			more = (!item->keeps && take_along(r, item)) || more;
		}
	}
}
