#include "engine/lender/thaw.h"

#include "base/scope.h"
#include "engine/containers.h"

/* An engine that is not stuck has unpaused after some 20 ms, and tells at once what it sees.  So
 * it gets a second without help if it tells, and much less if it does not. */
enum { TRIES = 4, LOOK_MS = 300, AGREE_MS = 500 };
static const int64_t wait_ms[TRIES] = {300, 700, 3000, 3000};

/* What the engine says of a container. */
enum view { VIEW_RUNS, VIEW_PAUSED, VIEW_STUCK, VIEW_UNKNOWN };

static enum view
thaw_look(struct engine *g, const char *id)
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
thaw_set(struct thaw *t, bool frozen, struct err *e)
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

/* As struct thaw_switch says. */
static int
held(const struct thaw *t)
{
	return t->by->look == NULL ? -1 : t->by->look(t->by->ctx, t->id);
}

static void
thaw_let_go(struct thaw *t)
{
	struct err ignored;

	(void)thaw_set(t, false, &ignored);
}

/* The engine takes what runs for paused, and wants to find it so before it unpauses it.  It stands
 * still for no longer than that takes: an engine that is busy just then finds it running again. */
static int
agree(struct engine *g, struct thaw *t, struct err *e)
{
	struct err why;

	if (thaw_set(t, true, &why) != 0)
		return 0;
	if (containers_unpause_within(g, t->id, AGREE_MS, e) == 0) {
		t->froze = false; /* it was the engine's last word */
		return 1;
	}
	thaw_let_go(t);
	return 0;
}

/* The engine did not unpause it.  Returns as try_once. */
static int
help(struct engine *g, struct thaw *t, int try, struct err *e)
{
	const bool refused = e->code != ERR_TIMEOUT;

	switch (thaw_look(g, t->id)) {
	case VIEW_RUNS: /* unless a pause is still on its way, behind which ours waits */
		if (held(t) == 1)
			thaw_let_go(t);
		return refused || try + 1 == TRIES;
	case VIEW_STUCK: /* it waits for what is frozen */
	case VIEW_UNKNOWN:
		thaw_let_go(t);
		break;
	case VIEW_PAUSED:
		if (refused && held(t) != 1)
			return agree(g, t, e);
		if (refused || try > 0)
			thaw_let_go(t);
		break;
	}
	return 0;
}

/* One try.  Returns 1: it runs; 0: not yet; -1: the engine is away. */
static int
thaw_try_once(struct engine *g, struct thaw *t, int try, struct err *e)
{
	const int status = containers_unpause_within(g, t->id, wait_ms[try], e);

	if (status != 0 && (e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED))
		return -1;
	if (status != 0 && e->code != ERR_NOT_FOUND)
		return help(g, t, try, e);
	t->froze = false;
	/* An answer is not yet a deed: somebody between may have made it up. */
	if (held(t) != 1)
		return 1;
	(void)err_set(e, ERR_ENGINE,
		"the engine says that container %.12s was unpaused, and it stands still", t->id);
	if (thaw_look(g, t->id) == VIEW_PAUSED)
		return 0;
	thaw_let_go(t);
	return 1;
}

/* Whatever has come of it, nothing is left frozen that can be let go. */
static int
thaw_leave(struct thaw *t, int status, struct err *e)
{
	struct err why;

	if (!t->froze && (status == 0 || held(t) == 0))
		return status;
	if (thaw_set(t, false, &why) == 0)
		return status;
	if (t->froze)
		*e = why;
	return -1;
}

int
thaw_container(struct engine *g, const struct thaw_switch *by, const char *id,
	struct thaw_result *ret_result, struct err *e)
{
	struct thaw t = {.by = by, .id = id};
	int status = 0;

	for (int try = 0; try < TRIES && status == 0; try++)
		status = thaw_try_once(g, &t, try, e);
	status = thaw_leave(&t, status == 1 ? 0 : -1, e);
	ret_result->helped = t.helped;
	ret_result->runs = status == 0 || held(&t) == 0;
	return status;
}

void
thaw_pause_again(struct engine *g, const struct thaw_switch *by, const char *id)
{
	struct err ignored;

	if (thaw_look(g, id) != VIEW_PAUSED || by->set(by->ctx, id, true, &ignored) != 0)
		return;
	/* Unless its owner unpaused it in this moment. */
	if (thaw_look(g, id) == VIEW_RUNS)
		(void)by->set(by->ctx, id, false, &ignored);
}
