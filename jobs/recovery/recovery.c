#include "jobs/recovery/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "jobs/operations/inspect.h"
#include "jobs/recovery/recovery_internal.h"
#include "jobs/recovery/startup_recovery.h"
#include "jobs/restore/rollback.h"

/* An engine that is away is looked for each second; what is refused is tried again less often. */
enum { AWAY_MS = 1000, PAUSE_MS = 2000, PAUSE_MAX_MS = 30 * 1000 };

/* An engine ends a container that was asked to stop within its time, but for a margin. */
enum { WATCH_MS = 300, SETTLE_MS = 1500, MARGIN_MS = 5000 };

/* After so long, the engine answering, what could not be put back is named and left. */
enum { GIVE_UP_MS = 10 * 60 * 1000 };

void
recovery_wait_ms(struct recovery *r, int64_t ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&r->changed, &r->mutex, &until);
}

bool
recovery_is_away(const struct err *e)
{
	return e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT;
}

/* What ${note} is about. */
static json_t *
brief(const json_t *note)
{
	json_t *names = json_array();
	const json_t *item;
	size_t i;

	if (note == NULL) {
		json_decref(names);
		return NULL;
	}
	json_array_foreach (json_object_get(note, "items"), i, item) {
		if (json_object_get(item, "name") != NULL)
			(void)json_array_append(names, json_object_get(item, "name"));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "operation", json_text(note, "id", NULL), "backup",
		json_text(note, "backup", NULL), "step", json_text(note, "state", NULL),
		"containers", names);
}

bool
recovery_look(struct recovery *r)
{
	SCOPED(json_decref_at) json_t *note = NULL;
	struct err e = {.code = ERR_NONE};

	if (rollback_note(r->store, &note, &e) != 0)
		r->error = e;
	json_decref(r->restore);
	r->restore = brief(note);
	return note != NULL || e.code != ERR_NONE;
}

void
recovery_begin(struct recovery *r)
{
	if (r->due)
		return;
	r->due = true;
	r->now = true;
	r->phase = PHASE_TRYING;
	r->attempts = 0;
	r->failing_ns = 0;
	r->error = (struct err){.code = ERR_NONE};
	r->since_ns = clock_real_ns();
	json_decref(r->left);
	r->left = json_array();
}

/* It is over: undone, finished or abandoned. */
static void
recovery_end(struct recovery *r, const char *outcome)
{
	char at[CLOCK_TEXT_SIZE];

	if (r->restore != NULL || strcmp(outcome, "abandoned") == 0) {
		json_decref(r->last);
		r->last = json_pack("{s:s, s:s, s:O?, s:O}", "ended_at",
			clock_text(clock_real_ns(), at), "outcome", outcome, "restore", r->restore,
			"left", r->left);
	}
	json_decref(r->restore);
	r->restore = NULL;
	r->due = false;
	r->abandon = false;
	r->phase = PHASE_IDLE;
	r->error = (struct err){.code = ERR_NONE};
	(void)pthread_cond_broadcast(&r->changed);
}

/* An engine_give_up; and what ends a watch. */
static bool
is_called_off(void *ctx)
{
	struct recovery *r = ctx;
	LOCKED(&r->mutex);

	return r->stopping || r->abandon;
}

/*
 * What is named goes into a list of the thread's own, and takes the place of the one that others
 * read when the lock is held again: no document that two threads have is changed.
 */
static json_t *
left_begin(const struct recovery *r)
{
	return json_deep_copy(r->left);
}

static void
left_publish(struct recovery *r, json_t *left)
{
	json_decref(r->left);
	r->left = left;
}

/* Without the lock. */
static int
recovery_try_once(struct recovery *r, bool settled, json_t *left, struct err *e)
{
	int status;

	if (!settled)
		return startup_recovery_settle(
			r->store, r->engine, r->opened_ns, is_called_off, r, left, e);
	engine_give_up(is_called_off, r);
	status = rollback_recover(r->store, r->engine, left, e);
	engine_give_up(NULL, NULL);
	return status;
}

static void
recovery_failed(struct recovery *r, const struct err *e)
{
	if (r->error.code == ERR_NONE || strcmp(r->error.text, e->text) != 0) {
		if (recovery_is_away(e))
			log_warn("recovery: the engine does not answer: %s", e->text);
		else
			log_error("recovery: not all is put right yet; it is tried again: %s",
				e->text);
	}
	r->error = *e;
	if (recovery_is_away(e))
		r->failing_ns = 0;
	else if (r->failing_ns == 0)
		r->failing_ns = clock_mono_ns();
	r->phase = PHASE_WAITING;
	(void)pthread_cond_broadcast(&r->changed);
}

static void
recovery_watch(struct recovery *r)
{
	const struct rollback_patience patience = {.look_ms = WATCH_MS,
		.settle_ms = SETTLE_MS,
		.margin_ms = MARGIN_MS,
		.stop = is_called_off,
		.ctx = r};
	json_t *left = left_begin(r);
	struct err e;
	int status;

	r->phase = PHASE_WATCHING;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->mutex);
	status = rollback_watch(r->store, r->engine, &patience, left, &e);
	(void)pthread_mutex_lock(&r->mutex);
	left_publish(r, left);
	if (status < 0)
		recovery_failed(r, &e);
	else if (status == 0)
		recovery_end(r, "undone");
	else
		r->phase = PHASE_WAITING; /* called off */
}

static void
attempt(struct recovery *r)
{
	const bool settled = r->settled;
	json_t *left = left_begin(r);
	struct err e = {.code = ERR_NONE};
	int status;

	r->phase = PHASE_TRYING;
	r->now = false;
	r->attempts++;
	(void)recovery_look(r);
	(void)pthread_mutex_unlock(&r->mutex);
	status = recovery_try_once(r, settled, left, &e);
	(void)pthread_mutex_lock(&r->mutex);
	left_publish(r, left);
	r->tries_ended++;
	if (status != 0) {
		recovery_failed(r, &e);
		return;
	}
	r->settled = true;
	const bool finish = strcmp(json_text(r->restore, "step", NULL), "finish") == 0;
	SCOPED(json_decref_at) json_t *before = r->restore == NULL ? NULL : json_incref(r->restore);
	if (recovery_look(r)) {
		recovery_watch(r);
		return;
	}
	json_decref(r->restore);
	r->restore = TAKE(before);
	recovery_end(r, finish ? "finished" : "undone");
}

/* What is beside is left there. */
static void
recovery_give_up(struct recovery *r)
{
	json_t *left = left_begin(r);
	struct err e;
	int status;

	(void)recovery_look(r);
	status = rollback_abandon(r->store, left, &e);
	left_publish(r, left);
	if (status != 0) {
		r->abandon = false;
		recovery_failed(r, &e);
		return;
	}
	r->settled = true;
	recovery_end(r, "abandoned");
}

static int64_t
pause_ms(const struct recovery *r)
{
	const int64_t ms = recovery_is_away(&r->error)
				   ? AWAY_MS
				   : PAUSE_MS << (r->attempts < 5 ? r->attempts : 5);

	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void *
recovery_work(void *ctx)
{
	struct recovery *r = ctx;
	LOCKED(&r->mutex);

	while (!r->stopping) {
		if (!r->due || r->users > 0) {
			if (r->due && r->phase == PHASE_WAITING && r->abandon)
				recovery_give_up(r);
			else
				(void)pthread_cond_wait(&r->changed, &r->mutex);
			continue;
		}
		if (r->abandon ||
			(r->failing_ns != 0 && clock_since_ms(r->failing_ns) > GIVE_UP_MS)) {
			recovery_give_up(r);
			continue;
		}
		if (r->phase == PHASE_WAITING && !r->now) {
			recovery_wait_ms(r, pause_ms(r));
			if (r->stopping || r->abandon)
				continue;
		}
		attempt(r);
	}
	return NULL;
}

int
recovery_open(
	struct store *store, struct engine *engine, struct recovery **ret_recovery, struct err *e)
{
	struct recovery *r = mem_new(sizeof(*r));
	pthread_condattr_t attr;

	*r = (struct recovery){.store = store, .engine = engine, .opened_ns = clock_real_ns()};
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	recovery_begin(r);
	(void)recovery_look(r);
	if (thread_start(&r->thread, recovery_work, r) != 0) {
		recovery_close(r);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	r->threaded = true;
	*ret_recovery = r;
	return 0;
}

void
recovery_stop(struct recovery *r)
{
	bool join;

	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->mutex);
	r->stopping = true;
	join = r->threaded;
	r->threaded = false;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->mutex);
	if (join)
		(void)pthread_join(r->thread, NULL);
}

void
recovery_close(struct recovery *r)
{
	if (r == NULL)
		return;
	json_decref(r->restore);
	json_decref(r->left);
	json_decref(r->last);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}
