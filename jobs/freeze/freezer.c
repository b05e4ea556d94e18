#include "jobs/freeze/freezer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/scope.h"

/* While the engine is made to agree (thaw.h) a container stands still for no longer than this. */
enum { SWITCHING_MS = 700 };

void
frozen_held(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	item->hold = HOLD_FROZEN;
	item->frozen_ns = clock_mono_ns();
	item->thawed_ns = 0;
}

void
frozen_runs(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	if (item->hold == HOLD_FROZEN && item->thawed_ns == 0)
		item->thawed_ns = clock_mono_ns();
}

void
frozen_released(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	if (item->hold == HOLD_FROZEN && item->thawed_ns == 0)
		item->thawed_ns = clock_mono_ns();
	item->hold = HOLD_THAWED;
	item->error.code = ERR_NONE;
}

bool
frozen_is_held(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	return item->hold == HOLD_FROZEN;
}

/* With the lock held. */
static int
switch_on(struct frozen_set *s, struct frozen *item, struct err *e)
{
	return cgroups_set(s->cgroups, item->place, true, e) == 0 ? 1 : -1;
}

int
frozen_on(struct frozen_set *s, struct frozen *item, struct err *e)
{
	LOCKED(&s->mutex);

	if (atomic_load(&s->expired))
		return 0;
	item->hold = HOLD_FROZEN; /* a call that fails may have done it */
	item->frozen_ns = clock_mono_ns();
	item->thawed_ns = 0;
	return switch_on(s, item, e);
}

int
frozen_on_again(struct frozen_set *s, struct frozen *item, struct err *e)
{
	LOCKED(&s->mutex);

	if (atomic_load(&s->expired) || item->hold != HOLD_FROZEN || item->thawed_ns != 0)
		return 0;
	return switch_on(s, item, e);
}

int
frozen_off(struct frozen_set *s, struct frozen *item, struct err *e)
{
	LOCKED(&s->mutex);

	if (item->hold != HOLD_FROZEN)
		return 0;
	if (cgroups_set(s->cgroups, item->place, false, e) != 0)
		return -1;
	if (item->thawed_ns == 0)
		item->thawed_ns = clock_mono_ns();
	item->hold = HOLD_THAWED;
	item->error.code = ERR_NONE;
	return 0;
}

void
frozen_fail(struct frozen_set *s, struct frozen *item, const struct err *e)
{
	LOCKED(&s->mutex);

	item->error = *e;
}

int
frozen_state(const struct frozen_set *s, const struct frozen *item)
{
	switch (cgroups_state(s->cgroups, item->place)) {
	case CGROUP_FROZEN:
	case CGROUP_FREEZING:
		return 1;
	case CGROUP_RUNS:
	case CGROUP_GONE:
		return 0;
	case CGROUP_UNKNOWN:
		break;
	}
	return -1;
}

static struct frozen *
freezer_item_of(const struct frozen_set *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].id, id) == 0)
			return &s->items[i];
	return NULL;
}

static void
note_switch(struct frozen_set *s, struct frozen *item, bool frozen)
{
	LOCKED(&s->mutex);

	item->switching_ns = frozen ? clock_mono_ns() : 0;
}

int
frozen_switch(void *set, const char *id, bool frozen, struct err *e)
{
	struct frozen_set *s = set;
	struct frozen *item = freezer_item_of(s, id);

	if (item == NULL || !cgroups_has(s->cgroups, item->place))
		return err_set(
			e, ERR_UNSUPPORTED, "the cgroup of container %.12s cannot be had", id);
	note_switch(s, item, frozen);
	return cgroups_set(s->cgroups, item->place, frozen, e);
}

int
frozen_look(void *set, const char *id)
{
	const struct frozen_set *s = set;
	const struct frozen *item = freezer_item_of(s, id);

	return item == NULL ? -1 : frozen_state(s, item);
}

/* Whether it is ours to be let go now.  With the lock held. */
static bool
to_be_let_go(const struct frozen *item)
{
	if (item->switching_ns != 0 && clock_since_ms(item->switching_ns) < SWITCHING_MS)
		return false;
	return item->hold == HOLD_FROZEN || item->unclear;
}

static void
let_go(struct frozen_set *s, struct frozen *item)
{
	struct err ignored;
	LOCKED(&s->mutex);

	if (!to_be_let_go(item))
		return;
	if (frozen_state(s, item) == 1)
		(void)cgroups_set(s->cgroups, item->place, false, &ignored);
	if (frozen_state(s, item) == 0 && item->hold == HOLD_FROZEN && item->thawed_ns == 0)
		item->thawed_ns = clock_mono_ns();
}

void
frozen_let_go(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (cgroups_has(s->cgroups, s->items[i].place))
			let_go(s, &s->items[i]);
}

bool
frozen_all_run(struct frozen_set *s)
{
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].hold == HOLD_FROZEN && s->items[i].thawed_ns == 0)
			return false;
	return true;
}

size_t
frozen_count(const struct frozen_set *s, const struct freezer *by)
{
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += s->items[i].by == by;
	return count;
}

void
frozen_clear(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].id);
		free(s->items[i].name);
	}
	free(s->items);
	s->items = NULL;
	s->count = 0;
	cgroups_close(s->cgroups);
	s->cgroups = NULL;
}
