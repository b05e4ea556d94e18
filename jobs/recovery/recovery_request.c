/* What others ask of the recovery: whether they may begin, how it stands, to try it, to give it up.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/recovery/recovery_internal.h"

static const char *const phase_names[] = {"idle", "trying", "waiting", "watching"};

/* With the lock held: 1 if ${user} may begin, 0 if it has to wait, -1. */
static int
may_begin(const struct recovery *r, enum recovery_user user, struct err *e)
{
	if (r->stopping)
		return err_set(e, ERR_CANCELLED, "the service stops");
	if (!r->due || r->phase == PHASE_IDLE)
		return 1;
	if (r->phase == PHASE_TRYING || (r->phase == PHASE_WAITING && r->abandon))
		return 0;
	if (r->phase == PHASE_WATCHING)
		return user == RECOVERY_READER;
	if (recovery_is_away(&r->error))
		return err_set(e, ERR_UNREACHABLE,
			"what an earlier run left is not put right yet: %s", r->error.text);
	if (user == RECOVERY_READER)
		return 1;
	return err_set(e, ERR_CONFLICT,
		"restore %s was cut off, and is not undone yet: %s.  It is tried again by itself; "
		"`dockerctl recover` shows it and tries it now, with --abandon it is given up",
		r->restore == NULL ? "(its note is damaged)"
				   : json_text(r->restore, "operation", NULL),
		r->error.text);
}

int
recovery_admit(struct recovery *r, enum recovery_user user, struct err *e)
{
	LOCKED(&r->mutex);

	return may_begin(r, user, e) < 0 ? -1 : 0;
}

int
recovery_enter(struct recovery *r, struct operation *o, enum recovery_user user, char **ret_pending,
	struct err *e)
{
	bool told = false;
	LOCKED(&r->mutex);

	*ret_pending = NULL;
	for (;;) {
		const int status = may_begin(r, user, e);

		if (status < 0)
			return -1;
		if (status > 0)
			break;
		if (!told)
			operation_phase(o, "recover");
		told = true;
		if (operation_check(o, e) != 0)
			return -1;
		recovery_wait_ms(r, LOOK_MS);
	}
	if (r->due && r->phase == PHASE_WAITING)
		*ret_pending = mem_format(
			"a restore that was cut off is not undone yet, so that what is backed up "
			"may be half of it: %s",
			r->error.text);
	r->users++;
	return 0;
}

void
recovery_leave(struct recovery *r)
{
	LOCKED(&r->mutex);

	r->users--;
	if (!r->due && recovery_look(r))
		recovery_begin(r);
	(void)pthread_cond_broadcast(&r->changed);
}

static bool
is_pending(const struct recovery *r)
{
	return r->due && (r->restore != NULL || r->error.code != ERR_NONE);
}

json_t *
recovery_state(struct recovery *r)
{
	char since[CLOCK_TEXT_SIZE];
	LOCKED(&r->mutex);
	const bool pending = is_pending(r);

	return json_pack("{s:b, s:s, s:o, s:I, s:o, s:O?, s:O?}", "pending", (int)pending, "phase",
		phase_names[r->due ? r->phase : PHASE_IDLE], "since",
		pending ? json_string(clock_text(r->since_ns, since)) : json_null(), "attempts",
		(json_int_t)(pending ? r->attempts : 0), "error",
		r->error.code == ERR_NONE ? json_null() : problem_json(&r->error), "restore",
		pending ? r->restore : NULL, "last", r->last);
}

json_t *
recovery_brief(struct recovery *r, bool *ret_well)
{
	char since[CLOCK_TEXT_SIZE];
	LOCKED(&r->mutex);

	*ret_well = !is_pending(r) || r->phase != PHASE_WAITING;
	if (!is_pending(r))
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:o}", "phase", phase_names[r->phase], "since",
		clock_text(r->since_ns, since), "operation",
		r->restore == NULL ? json_null()
				   : json_incref(json_object_get(r->restore, "operation")),
		"error", r->error.code == ERR_NONE ? json_null() : json_string(r->error.text));
}

void
recovery_settled(struct recovery *r)
{
	const int64_t since_ns = clock_mono_ns();
	LOCKED(&r->mutex);

	while (r->due && r->phase == PHASE_TRYING && !r->stopping &&
		clock_since_ms(since_ns) < TRY_MS)
		recovery_wait_ms(r, LOOK_MS);
}

void
recovery_retry(struct recovery *r)
{
	const int64_t since_ns = clock_mono_ns();
	LOCKED(&r->mutex);
	const int64_t before = r->tries_ended + (r->phase == PHASE_TRYING);

	if (!r->due && recovery_look(r))
		recovery_begin(r);
	r->now = true;
	(void)pthread_cond_broadcast(&r->changed);
	while (r->due && !r->stopping && r->phase != PHASE_WATCHING && r->tries_ended <= before &&
		clock_since_ms(since_ns) < TRY_MS)
		recovery_wait_ms(r, LOOK_MS);
}

int
recovery_abandon(struct recovery *r, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();
	LOCKED(&r->mutex);

	if (!r->due && recovery_look(r))
		recovery_begin(r);
	if (!is_pending(r))
		return err_set(e, ERR_NOT_FOUND, "nothing is pending that could be given up");
	r->abandon = true;
	(void)pthread_cond_broadcast(&r->changed);
	while (r->abandon && !r->stopping && clock_since_ms(since_ns) < TRY_MS)
		recovery_wait_ms(r, LOOK_MS);
	if (!r->abandon)
		return 0;
	r->abandon = false;
	return err_set(e, ERR_BUSY,
		"it is being tried just now, and does not end: try again in half a minute");
}
