#include "jobs/freezer.h"

#include <string.h>

#include "base/clock.h"
#include "base/scope.h"

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
