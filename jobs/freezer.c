#include "jobs/freezer.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/self.h"

const struct freezer *
freezer_named(const char *name)
{
	static const struct freezer *const all[] = {&freezer_docker, &freezer_cgroup};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

void
frozen_held(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	item->hold = HOLD_FROZEN;
	item->frozen_ns = clock_mono_ns();
}

void
frozen_released(struct frozen_set *s, struct frozen *item)
{
	LOCKED(&s->mutex);

	if (item->hold == HOLD_FROZEN)
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

void
frozen_fail(struct frozen_set *s, struct frozen *item, const struct err *e)
{
	LOCKED(&s->mutex);

	item->error = *e;
}

int
frozen_lender(
	struct frozen_set *s, enum lender_cgroups use, struct lender **ret_lender, struct err *e)
{
	SCOPED(self_free_at) struct self *self = NULL;
	SCOPED(free_at)
	char *name = mem_format("fuel-backup-thaw-%lld", (long long)clock_real_ns());
	struct lender_options options = {
		.engine = s->engine, .run_path = s->run_path, .name = name, .cgroups = use};

	if (self_find(s->engine, &self, e) != 0)
		return -1;
	options.self = self;
	return lender_open(&options, ret_lender, e);
}

int
frozen_switch(void *set, const char *id, bool frozen, struct err *e)
{
	struct frozen_set *s = set;
	LOCKED(&s->help);

	if (s->lender != NULL && lender_switch(s->lender, id, frozen, e) == 0)
		return 0;
	if (s->lender != NULL && e->code == ERR_UNREADABLE)
		return -1; /* it lives, and cannot; nor could another */
	if (s->spare == NULL && frozen_lender(s, LENDER_HELPS, &s->spare, e) != 0)
		return -1;
	if (lender_switch(s->spare, id, frozen, e) == 0)
		return 0;
	if (e->code != ERR_UNREADABLE)
		lender_close(TAKE(s->spare)); /* it has gone, too: the next try has another */
	return -1;
}
