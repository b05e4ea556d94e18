#include "jobs/affected.h"

#include <string.h>

#include "jobs/inspect.h"
#include "jobs/order.h"
#include "jobs/refill.h"
#include "jobs/target.h"

/* True if one of two paths is the other or lies in it. */
static bool
overlap(const char *a, const char *b)
{
	const size_t len_a = strlen(a), len_b = strlen(b), len = len_a < len_b ? len_a : len_b;
	const char *longer = len_a < len_b ? b : a;

	return strncmp(a, b, len) == 0 && (longer[len] == '\0' || longer[len] == '/');
}

static bool
mounts(const json_t *inspect, const struct target *t, bool writable)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *type = json_text(mount, "Type", NULL);

		if (writable && !json_truth(mount, "RW", NULL))
			continue;
		if (t->volume != NULL ? strcmp(json_text(mount, "Name", NULL), t->volume) == 0
				      : strcmp(type, "bind") == 0 && t->path[0] == '/' &&
						overlap(json_text(mount, "Source", NULL), t->path))
			return true;
	}
	return false;
}

static bool
uses(const struct stack_item *item, const struct target *t, bool writable)
{
	if (t->container != NULL)
		return strcmp(t->container, item->name) == 0;
	return mounts(item->inspect, t, writable) ||
	       (item->present != NULL && mounts(item->present, t, writable));
}

static bool
must_stop(const struct restore *r, const struct stack_item *item)
{
	struct target *targets;
	const size_t count = refill_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++)
		if (targets[i].active && uses(item, &targets[i], false))
			return true;
	for (size_t i = 0; i < r->count; i++)
		if (!r->items[i].keeps && &r->items[i] != item &&
			order_needs(item->inspect, r->items[i].inspect, false))
			return true;
	return false;
}

/* Whether something became active by it. */
static bool
take_along(const struct restore *r, const struct stack_item *item)
{
	struct target *targets;
	const size_t count = refill_targets(r->refill, &targets);
	bool more = false;

	for (size_t i = 0; i < count; i++)
		if (!targets[i].active && uses(item, &targets[i], true)) {
			targets[i].active = true;
			more = true;
		}
	return more;
}

/* Where nothing is there of a container that is not asked for, nothing is to be done. */
static bool
in_its_state(const struct stack_item *item)
{
	return item->way == WAY_IN_PLACE &&
	       (item->present == NULL ||
		       strcmp(container_state(item->present), container_state(item->inspect)) == 0);
}

void
affected_choose(struct restore *r)
{
	bool more = true;

	for (size_t i = 0; i < r->count; i++)
		r->items[i].keeps = in_its_state(&r->items[i]);
	while (more) {
		more = false;
		for (size_t i = 0; i < r->count; i++) {
			struct stack_item *item = &r->items[i];

			if (item->keeps && item->present != NULL && must_stop(r, item)) {
				item->keeps = false;
				more = true;
			}
			more = (!item->keeps && take_along(r, item)) || more;
		}
	}
}
