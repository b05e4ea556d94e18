/* What a freeze was, for the record and for the engine's events. */
#include <string.h>

#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/freeze/freeze_internal.h"
#include "jobs/operations/inspect.h"

json_t *
freeze_windows(const struct freeze *f)
{
	json_t *windows = json_object();

	for (size_t i = 0; i < f->set.count; i++) {
		const struct frozen *item = &f->set.items[i];

		if (item->hold == HOLD_THAWED)
			(void)json_object_set_new(windows, item->name,
				json_integer((item->thawed_ns - item->frozen_ns) / 1000000));
	}
	return windows;
}

json_t *
freeze_faults(const struct freeze *f)
{
	json_t *faults = json_array();

	for (size_t i = 0; i < f->set.count; i++) {
		const struct frozen *item = &f->set.items[i];

		if (item->fault.code != ERR_NONE)
			(void)json_array_append_new(
				faults, json_pack("{s:s, s:s, s:i, s:s}", "id", item->id, "name",
						item->name, "code", (int)item->fault.code, "error",
						item->fault.text));
	}
	return faults;
}

json_t *
freeze_freezers(const struct freeze *f)
{
	json_t *freezers = json_object();

	for (size_t i = 0; i < f->set.count; i++)
		if (f->set.items[i].hold == HOLD_THAWED)
			(void)json_object_set_new(freezers, f->set.items[i].name,
				json_string(f->set.items[i].by->name));
	return freezers;
}

bool
freeze_holds(const struct freeze *f, const char *id)
{
	for (size_t i = 0; i < f->set.count; i++)
		if (strcmp(f->set.items[i].id, id) == 0)
			return f->set.items[i].hold != HOLD_NONE;
	return false;
}

/* Whether the engine has ${id} as ended, or as gone. */
static bool
has_ended(struct engine *g, const char *id)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (containers_inspect(g, id, &inspect, &e) != 0)
		return e.code == ERR_NOT_FOUND;
	return !json_truth(inspect, "State", "Running");
}

int
freeze_mark(const struct freeze *f, struct err *e)
{
	const struct frozen_set *s = &f->set;
	struct err failed = {.code = ERR_NONE}, of_one;

	if (frozen_count(s, &freezer_cgroup) == 0)
		return 0;
	if (f->nudges)
		return lender_nudge(f->guard, e);
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].hold != HOLD_THAWED || s->items[i].by != &freezer_cgroup)
			continue;
		if (containers_top(s->engine, s->items[i].id, &of_one) == 0)
			return 0;
		/* An engine that fails, for its containerd is away, says nothing of it. */
		if (!has_ended(s->engine, s->items[i].id))
			failed = of_one;
	}
	if (failed.code != ERR_NONE) {
		*e = failed;
		return -1;
	}
	return err_set(e, ERR_CHANGED,
		"none of the frozen containers runs any more: start the backup again");
}

bool
freeze_is_mark(const struct freeze *f, const char *id, const char *action)
{
	if (frozen_count(&f->set, &freezer_cgroup) == 0)
		return strcmp(action, "unpause") == 0 && freeze_holds(f, id);
	if (f->nudges)
		return strcmp(action, "kill") == 0 && strcmp(id, lender_container(f->guard)) == 0;
	return strcmp(action, "top") == 0 && freeze_holds(f, id);
}
