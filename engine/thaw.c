#include "engine/thaw.h"

#include "base/scope.h"
#include "engine/containers.h"

/* An engine that is not stuck has unpaused after some 20 ms, and tells at once what it sees.  So
 * it gets a second without help if it tells, and much less if it does not. */
enum { TRIES = 4, LOOK_MS = 300 };
static const int64_t wait_ms[TRIES] = {300, 700, 3000, 3000};

/* What the engine says of a container. */
enum view { VIEW_RUNS, VIEW_PAUSED, VIEW_STUCK, VIEW_UNKNOWN };

static enum view
look(struct engine *g, const char *id)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (containers_inspect_within(g, id, LOOK_MS, &inspect, &e) == 0)
		return json_is_true(json_object_get(json_object_get(inspect, "State"), "Paused"))
			       ? VIEW_PAUSED
			       : VIEW_RUNS;
	switch ((int)e.code) {
	case ERR_NOT_FOUND:
		return VIEW_RUNS;
	case ERR_TIMEOUT:
		return VIEW_STUCK;
	default:
		return VIEW_UNKNOWN;
	}
}

struct thaw {
	const struct thaw_switch *by;
	const char *id;
	bool helped;
	bool froze; /* our last switch: whoever else thaws it by the engine may have been faster */
};

static int
set(struct thaw *t, bool frozen, struct err *e)
{
	if (t->by->set == NULL)
		return -1;	       /* the engine's error stands */
	t->froze = t->froze || frozen; /* a call that fails may have done it */
	if (t->by->set(t->by->ctx, t->id, frozen, e) != 0)
		return -1;
	t->froze = frozen;
	t->helped = true;
	return 0;
}

/* Whatever has come of it, what we froze is not left so. */
static int
leave(struct thaw *t, int status, struct err *e)
{
	struct err why;

	if (!t->froze || set(t, false, &why) == 0)
		return status;
	*e = why;
	return -1;
}

/* One try.  Returns 1: it runs; 0: not yet; -1: the engine is away. */
static int
try_once(struct engine *g, struct thaw *t, int try, struct err *e)
{
	const int status = containers_unpause_within(g, t->id, wait_ms[try], e);
	struct err why;

	if (status == 0) {
		t->froze = false; /* it was the engine's last word */
		return 1;
	}
	if (e->code == ERR_NOT_FOUND)
		return 1;
	if (e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED)
		return -1;
	const bool refused = e->code != ERR_TIMEOUT;
	switch (look(g, t->id)) {
	case VIEW_RUNS: /* unless a pause is still on its way, behind which ours waits */
		return refused || try + 1 == TRIES;
	case VIEW_STUCK: /* it waits for what is frozen */
		(void)set(t, false, &why);
		break;
	case VIEW_PAUSED:
		if (refused) /* it takes what runs for paused, and wants to find it so */
			(void)set(t, true, &why);
		else if (try > 0)
			(void)set(t, false, &why);
		break;
	case VIEW_UNKNOWN:
		break;
	}
	return 0;
}

int
thaw_container(struct engine *g, const struct thaw_switch *by, const char *id, bool *ret_helped,
	struct err *e)
{
	struct thaw t = {.by = by, .id = id};
	int status = 0;

	for (int try = 0; try < TRIES && status == 0; try++)
		status = try_once(g, &t, try, e);
	status = leave(&t, status == 1 ? 0 : -1, e);
	*ret_helped = t.helped;
	return status;
}
