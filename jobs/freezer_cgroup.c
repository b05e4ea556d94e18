/*
 * The freezer `cgroup`: the containers' own cgroups, through the lender.  The engine does not know
 * of it, and writes the same switch for its own pause: a container that its owner pauses meanwhile
 * is thawed with the others, and then paused again.
 */
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/freezer.h"
#include "jobs/inspect.h"

static int
prepare(struct frozen_set *s, struct err *e)
{
	return lender_cgroups_find(s->lender, e);
}

static void
fail_all(struct frozen_set *s, const struct err *e)
{
	for (size_t i = 0; i < s->count; i++)
		frozen_fail(s, &s->items[i], e);
}

static bool
any_held(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (frozen_is_held(s, &s->items[i]))
			return true;
	return false;
}

static void
pause_again(struct frozen_set *s, const struct frozen *item)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err ignored;

	if (containers_inspect(s->engine, item->id, &inspect, &ignored) == 0 &&
		json_truth(inspect, "State", "Paused") &&
		containers_unpause(s->engine, item->id, &ignored) == 0)
		(void)containers_pause(s->engine, item->id, &ignored);
}

static void
release(struct frozen_set *s)
{
	struct err e;

	if (!any_held(s))
		return;
	if (lender_cgroups_thaw(s->lender, &e) != 0) {
		(void)err_prefix(&e, "the containers could not be thawed");
		fail_all(s, &e);
		return;
	}
	for (size_t i = 0; i < s->count; i++)
		if (frozen_is_held(s, &s->items[i]))
			frozen_released(s, &s->items[i]);
	for (size_t i = 0; i < s->count; i++)
		pause_again(s, &s->items[i]);
}

static void
hold(struct frozen_set *s)
{
	struct err e;
	int status;

	for (size_t i = 0; i < s->count; i++)
		frozen_held(s, &s->items[i]); /* from here on any of them may be */
	status = lender_cgroups_freeze(s->lender, &e);
	if (status != 0) {
		(void)err_prefix(&e, "the containers could not be frozen");
		fail_all(s, &e);
	}
	if (atomic_load(&s->expired))
		release(s);
}

const struct freezer freezer_cgroup = {"cgroup", prepare, hold, release};
