#include "engine/thaw.h"

#include "base/scope.h"
#include "engine/containers.h"

/* An engine that is not stuck has unpaused after some 20 ms; of a busy one this costs nothing but
 * the detour. */
enum { PROMPT_MS = 400, ANSWER_MS = 5000, TRIES = 6 };

/* 1, 0; -1: that is not known. */
static int
is_paused(struct engine *g, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const json_t *state;

	if (containers_inspect_within(g, id, ANSWER_MS, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	state = json_object_get(inspect, "State");
	return json_is_true(json_object_get(state, "Paused"));
}

static int
set(const struct thaw_switch *by, const char *id, bool frozen, struct err *e)
{
	if (by->set == NULL)
		return -1; /* the engine's error stands */
	return by->set(by->ctx, id, frozen, e);
}

int
thaw_container(struct engine *g, const struct thaw_switch *by, const char *id, bool *ret_helped,
	struct err *e)
{
	struct err why;
	int paused;

	*ret_helped = false;
	for (int try = 0; try < TRIES; try++) {
		const int64_t wait_ms = try == 0 ? PROMPT_MS : ANSWER_MS;

		if (containers_unpause_within(g, id, wait_ms, e) == 0 || e->code == ERR_NOT_FOUND)
			return 0;
		if (e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED)
			return -1;
		/* No answer: it waits for what is frozen.  An answer: nothing to be done, or the
		 * engine takes what runs for paused, and wants to find it so. */
		const bool stuck = e->code == ERR_TIMEOUT;
		if (!stuck && (paused = is_paused(g, id, &why)) <= 0)
			return paused;
		if (set(by, id, !stuck, e) != 0)
			return -1;
		*ret_helped = true;
	}
	(void)set(by, id, false, &why);
	return -1;
}
