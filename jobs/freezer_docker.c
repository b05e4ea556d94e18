/* The freezer `docker`: pause and unpause through the engine, in parallel. */
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/thaw.h"
#include "jobs/freezer.h"
#include "jobs/inspect.h"

/* Threads; more containers than this are taken in turns.  A pause is 13 ms, most of it the
 * engine's. */
enum { THREADS_MAX = 64, TRIES_MAX = 10 };

/* Between two tries to pause a restarting or to thaw a stubborn container. */
static const useconds_t RETRY_US = 100 * 1000;

/* One step for each item that is (or is not) a watcher, in parallel. */
struct round {
	struct frozen_set *set;
	bool watchers;
	void (*step)(struct frozen_set *s, struct frozen *item);
	atomic_size_t next;
};

static void *
take_items(void *ctx)
{
	struct round *r = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->set->count)
		if (r->set->items[i].watcher == r->watchers)
			r->step(r->set, &r->set->items[i]);
	return NULL;
}

static void
in_parallel(struct frozen_set *s, bool watchers, void (*step)(struct frozen_set *, struct frozen *))
{
	struct round r = {.set = s, .watchers = watchers, .step = step};
	pthread_t threads[THREADS_MAX];
	size_t want = 0, started = 0;

	for (size_t i = 0; i < s->count; i++)
		want += s->items[i].watcher == watchers;
	want = want < THREADS_MAX ? want : THREADS_MAX;
	while (started + 1 < want && pthread_create(&threads[started], NULL, take_items, &r) == 0)
		started++;
	(void)take_items(&r); /* this thread too, so that it works with none */
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}

enum now { NOW_GONE, NOW_RUNS, NOW_PAUSED, NOW_STOPPED, NOW_RESTARTING, NOW_UNKNOWN };

static enum now
look(struct frozen_set *s, struct frozen *item)
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

/* The engine said no; otherwise the answer is lost, and the request may yet be carried out. */
static bool
refused(const struct err *e)
{
	return e->code == ERR_ENGINE || e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND;
}

static void
thaw_item(struct frozen_set *s, struct frozen *item)
{
	const struct thaw_switch by = {frozen_switch, s};
	struct err e = {.code = ERR_NONE};
	bool helped;

	if (!frozen_is_held(s, item))
		return;
	for (int try = 0; try < TRIES_MAX; try++) {
		if (try > 0)
			(void)usleep(RETRY_US);
		if (thaw_container(s->engine, &by, item->id, &helped, &e) != 0)
			continue;
		frozen_released(s, item);
		if (helped)
			log_warn("container %s was thawed by its cgroup: the engine did not "
				 "answer, as when a health probe begins in the moment of a pause",
				item->name);
		return;
	}
	(void)err_prefix(&e, "container %s could not be thawed", item->name);
	frozen_fail(s, item, &e);
}

/* Why it was refused: true if the item need not be frozen, or cannot be. */
static bool
settled(struct frozen_set *s, struct frozen *item, struct err *e)
{
	switch (look(s, item)) {
	case NOW_GONE:
		(void)err_set(e, ERR_CHANGED,
			"container %s went away while the backup was made: start the backup again",
			item->name);
		frozen_fail(s, item, e);
		return true;
	case NOW_STOPPED: /* stopped by itself, so its files stand still */
	case NOW_PAUSED:  /* by its owner, just now */
		return true;
	case NOW_RESTARTING:
	case NOW_RUNS:
		return false;
	case NOW_UNKNOWN:
		break;
	}
	frozen_fail(s, item, e);
	return true;
}

static void
pause_item(struct frozen_set *s, struct frozen *item)
{
	struct err e = {.code = ERR_NONE};

	for (int try = 0; try < TRIES_MAX && !atomic_load(&s->expired); try++) {
		const int status = containers_pause(s->engine, item->id, &e);

		if (status == 0 || !refused(&e)) {
			frozen_held(s, item); /* without an answer too: then it is thawed */
			if (status != 0)
				frozen_fail(s, item, &e);
			if (atomic_load(&s->expired)) /* who thawed the others may have missed it */
				thaw_item(s, item);
			return;
		}
		if (settled(s, item, &e))
			return;
		(void)usleep(RETRY_US);
	}
	(void)err_prefix(&e, "container %s could not be frozen", item->name);
	frozen_fail(s, item, &e);
}

static int
prepare(struct frozen_set *s, struct err *e)
{
	return engine_warm(s->engine, s->count < THREADS_MAX ? s->count : THREADS_MAX, e);
}

static void
hold(struct frozen_set *s)
{
	in_parallel(s, true, pause_item);
	in_parallel(s, false, pause_item);
}

static void
release(struct frozen_set *s)
{
	in_parallel(s, false, thaw_item);
	in_parallel(s, true, thaw_item);
}

const struct freezer freezer_docker = {"docker", prepare, hold, release};
