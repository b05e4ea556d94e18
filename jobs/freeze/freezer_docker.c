/* The freezer `docker`: pause and unpause through the engine, in parallel. */
#include <unistd.h>

#include "base/barrier.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/thread.h"
#include "engine/containers.h"
#include "engine/lender/thaw.h"
#include "jobs/freeze/freezer.h"
#include "jobs/operations/inspect.h"

/* Threads; more containers than this are taken in turns.  A pause is 13 ms, most of it the
 * engine's. */
enum { THREADS_MAX = 64, TRIES_MAX = 10, THAW_TRIES = 2 };

/* Between two tries to pause a restarting or to thaw a stubborn container. */
static const useconds_t RETRY_US = 100 * 1000;

/* One step for each item that is (or is not) a watcher, in parallel. */
struct freezer_docker_round {
	struct frozen_set *set;
	bool watchers;
	void (*step)(struct frozen_set *s, struct frozen *item);
	atomic_size_t next;
};

static bool
mine(const struct frozen *item, bool watchers)
{
	return item->by == &freezer_docker && item->watcher == watchers;
}

static void *
take_items(void *ctx)
{
	struct freezer_docker_round *r = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->set->count)
		if (mine(&r->set->items[i], r->watchers))
			r->step(r->set, &r->set->items[i]);
	return NULL;
}

static void
in_parallel(struct frozen_set *s, bool watchers, void (*step)(struct frozen_set *, struct frozen *))
{
	struct freezer_docker_round r = {.set = s, .watchers = watchers, .step = step};
	pthread_t threads[THREADS_MAX];
	size_t want = 0, started = 0;

	for (size_t i = 0; i < s->count; i++)
		want += mine(&s->items[i], watchers);
	want = want < THREADS_MAX ? want : THREADS_MAX;
	while (started + 1 < want && thread_start(&threads[started], take_items, &r) == 0)
		started++;
	if (want > 0)
		(void)take_items(&r); /* this thread too, so that it works with none */
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}

enum now { NOW_GONE, NOW_RUNS, NOW_PAUSED, NOW_STOPPED, NOW_RESTARTING, NOW_UNKNOWN };

static enum now
freezer_docker_look(struct frozen_set *s, struct frozen *item)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct err e;

	if (containers_inspect(s->engine, item->id, &inspect, &e) != 0)
		return e.code == ERR_NOT_FOUND ? NOW_GONE : NOW_UNKNOWN;
	if (json_truth(inspect, "State", "Restarting"))
		return NOW_RESTARTING;
	if (json_truth(inspect, "State", "Paused"))
		return NOW_PAUSED;
	return json_truth(inspect, "State", "Running") ? NOW_RUNS : NOW_STOPPED;
}

static void
thaw_item(struct frozen_set *s, struct frozen *item)
{
	const struct thaw_switch by = {frozen_switch, frozen_look, s};
	struct err e = {.code = ERR_NONE};
	struct thaw_result result;

	if (!frozen_is_held(s, item))
		return;
	for (int try = 0; try < THAW_TRIES; try++) {
		if (try > 0)
			(void)usleep(RETRY_US);
		const int status = thaw_container(s->engine, &by, item->id, &result, &e);

		if (result.runs)
			frozen_runs(s, item);
		if (status != 0)
			continue;
		frozen_released(s, item);
		if (result.helped)
			log_warn("container %s was thawed by its cgroup: the engine did not "
				 "answer, as when a health probe begins in the moment of a pause",
				item->name);
		return;
	}
	(void)err_prefix(&e, "container %s could not be thawed", item->name);
	frozen_fail(s, item, &e);
}

/* What an attempt to pause has come to. */
enum outcome { OUTCOME_FROZEN, OUTCOME_NEEDLESS, OUTCOME_AGAIN, OUTCOME_FAILED };

static enum outcome
freezer_docker_failed(struct frozen_set *s, struct frozen *item, const struct err *e)
{
	frozen_fail(s, item, e);
	return OUTCOME_FAILED;
}

/* The pause was refused, or its answer is lost.  It ran before it was asked for: if it stands still
 * now that is our doing, whatever was answered.  ${ran}: the kernel said so just before, which is
 * more than what the engine says. */
static enum outcome
freezer_docker_judge(struct frozen_set *s, struct frozen *item, bool ran, struct err *e)
{
	if (ran && frozen_state(s, item) == 1)
		return OUTCOME_FROZEN;
	switch (freezer_docker_look(s, item)) {
	case NOW_GONE:
		(void)err_set(e, ERR_CHANGED,
			"container %s went away while the backup was made: start the backup again",
			item->name);
		return freezer_docker_failed(s, item, e);
	case NOW_STOPPED: /* stopped by itself, so its files stand still */
		return OUTCOME_NEEDLESS;
	case NOW_PAUSED: /* else by its owner, just now */
		return item->unclear || ran ? OUTCOME_FROZEN : OUTCOME_NEEDLESS;
	case NOW_RESTARTING: /* it waits for its next start: nothing of it runs */
		return OUTCOME_NEEDLESS;
	case NOW_RUNS:
		return OUTCOME_AGAIN;
	case NOW_UNKNOWN:
		break;
	}
	return freezer_docker_failed(s, item, e);
}

/* The engine said no, and did nothing. */
static bool
freezer_docker_refused(const struct err *e)
{
	return e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND;
}

static enum outcome
try_pause(struct frozen_set *s, struct frozen *item, bool ran, struct err *e)
{
	if (containers_pause(s->engine, item->id, e) == 0)
		return OUTCOME_FROZEN;
	if (!freezer_docker_refused(e)) {
		LOCKED(&s->mutex);
		item->unclear = true;
	}
	if (e->code != ERR_ENGINE &&
		!freezer_docker_refused(e)) /* no answer: nobody knows, and time passes */
		return freezer_docker_failed(s, item, e);
	return freezer_docker_judge(s, item, ran, e);
}

static bool
has_expired(void *set)
{
	struct frozen_set *s = set;

	return atomic_load(&s->expired);
}

static void
pause_item(struct frozen_set *s, struct frozen *item)
{
	struct err e = {.code = ERR_NONE};
	enum outcome outcome = OUTCOME_AGAIN;
	const int before = frozen_state(s, item);

	if (before == 1) /* its owner was faster: it stands still as it is */
		return;
	barrier("pausing");
	engine_give_up(has_expired, s);
	for (int try = 0; try < TRIES_MAX && outcome == OUTCOME_AGAIN && !has_expired(s); try++) {
		if (try > 0)
			(void)usleep(RETRY_US);
		outcome = try_pause(s, item, before == 0, &e);
	}
	engine_give_up(NULL, NULL);
	if (outcome == OUTCOME_AGAIN) {
		(void)err_prefix(&e, "container %s could not be frozen", item->name);
		frozen_fail(s, item, &e);
	}
	/* Without a clear answer, too: then it is thawed. */
	if (outcome == OUTCOME_FROZEN || (item->unclear && outcome != OUTCOME_NEEDLESS))
		frozen_held(s, item);
	if (has_expired(s)) /* who thawed the others may have missed it */
		thaw_item(s, item);
}

static void
freezer_docker_hold(struct frozen_set *s)
{
	in_parallel(s, true, pause_item);
	in_parallel(s, false, pause_item);
}

static void
freezer_docker_release(struct frozen_set *s)
{
	in_parallel(s, false, thaw_item);
	in_parallel(s, true, thaw_item);
}

const struct freezer freezer_docker = {"docker", freezer_docker_hold, freezer_docker_release};
