/*
 * The freezer `cgroup`: the containers' own cgroups.  The engine does not know of it, and writes
 * the same switch for its own pause: a container that its owner pauses meanwhile is thawed with the
 * others, and then stands still again.
 */
#include "base/scope.h"
#include "engine/lender/thaw.h"
#include "jobs/freeze/freezer.h"

/* The kernel takes a millisecond or two; a process in an uninterruptible wait may never stand. */
enum { FREEZE_MS = 2000 };

static void
freezer_cgroup_release(struct frozen_set *s)
{
	const struct thaw_switch by = {frozen_switch, frozen_look, s};
	struct err e;

	for (size_t i = 0; i < s->count; i++) {
		struct frozen *item = &s->items[i];

		if (item->by != &freezer_cgroup || frozen_off(s, item, &e) == 0)
			continue;
		(void)err_prefix(&e, "container %s could not be thawed", item->name);
		frozen_fail(s, item, &e);
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].by == &freezer_cgroup && s->items[i].hold == HOLD_THAWED)
			thaw_pause_again(s->engine, &by, s->items[i].id);
}

static void
freeze_item(struct frozen_set *s, struct frozen *item)
{
	struct err e;

	if (frozen_state(s, item) == 1) /* its owner was faster: it stands still as it is */
		return;
	if (frozen_on(s, item, &e) >= 0)
		return;
	(void)err_prefix(&e, "container %s could not be frozen", item->name);
	frozen_fail(s, item, &e);
}

struct awaited {
	struct frozen_set *set;
	struct frozen *item;
};

static int
once_more(void *ctx, struct err *e)
{
	const struct awaited *a = ctx;

	return frozen_on_again(a->set, a->item, e);
}

static void
freezer_cgroup_await_item(struct frozen_set *s, struct frozen *item)
{
	struct awaited a = {s, item};
	struct err e;

	if (!frozen_is_held(s, item) || item->error.code != ERR_NONE ||
		cgroups_await(s->cgroups, item->place, FREEZE_MS, once_more, &a, &e) == 0)
		return;
	(void)err_prefix(&e, "container %s could not be frozen", item->name);
	frozen_fail(s, item, &e);
}

/* All switches first: they come to a stand side by side. */
static void
freezer_cgroup_hold(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count && !atomic_load(&s->expired); i++)
		if (s->items[i].by == &freezer_cgroup)
			freeze_item(s, &s->items[i]);
	for (size_t i = 0; i < s->count && !atomic_load(&s->expired); i++)
		if (s->items[i].by == &freezer_cgroup)
			freezer_cgroup_await_item(s, &s->items[i]);
	if (atomic_load(&s->expired))
		freezer_cgroup_release(s);
}

const struct freezer freezer_cgroup = {"cgroup", freezer_cgroup_hold, freezer_cgroup_release};
