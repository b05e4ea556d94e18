/*
 * Who watches a freeze from within: a thread that lets all go, by the kernel and then through the
 * engine, when the time is up or the guard has died, whatever those do who freeze and copy.  It
 * goes on looking until the freeze is over, because a pause that was asked for may be carried out
 * late.
 */
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/thread.h"
#include "jobs/freeze/freeze_internal.h"

/* Between two looks. */
enum { LOOK_MS = 100 };
static const int64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;

/* The freezes of this process.  One backup runs at a time, so there is one or none. */
static struct freeze *all;
static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER;

void
freeze_break(struct freeze *f, enum broken why)
{
	int none = BROKEN_NOT;

	if (atomic_compare_exchange_strong(&f->broken, &none, (int)why) && why != BROKEN_TIME) {
		struct err e;

		(void)freeze_broken_error(f, why, &e);
		log_warn("%s", e.text);
	}
	atomic_store(&f->set.expired, true);
	frozen_let_go(&f->set);
}

static void *
freeze_watch_tell_engine(void *ctx)
{
	struct freeze *f = ctx;

	freeze_release(&f->set);
	return NULL;
}

static void
freeze_watch_look(struct freeze *f)
{
	const bool run = frozen_all_run(&f->set);

	if (!run && clock_boot_ns() >= f->until_ns)
		freeze_break(f, BROKEN_TIME);
	else if (!run && !lender_lives(f->guard))
		freeze_break(f, BROKEN_GUARD);
	if (atomic_load(&f->broken) == BROKEN_NOT)
		return;
	frozen_let_go(&f->set);
	/* What has no cgroup only the engine can thaw; it is not waited for here. */
	f->helped = f->helped || thread_start(&f->helper, freeze_watch_tell_engine, f) == 0;
}

/* When to look again, of the clock that the condition waits by. */
static struct timespec
next_look(const struct freeze *f)
{
	const int64_t left_ns = f->until_ns - clock_boot_ns();
	const int64_t wait_ns =
		left_ns > 0 && left_ns < LOOK_MS * NS_PER_MS ? left_ns : LOOK_MS * NS_PER_MS;
	const int64_t at_ns = clock_mono_ns() + wait_ns;

	return (struct timespec){at_ns / NS_PER_S, at_ns % NS_PER_S};
}

static void *
freeze_watch_watch(void *ctx)
{
	struct freeze *f = ctx;
	LOCKED(&f->mutex);

	while (!f->over) {
		const struct timespec until = next_look(f);

		(void)pthread_cond_timedwait(&f->changed, &f->mutex, &until);
		if (f->over)
			break;
		(void)pthread_mutex_unlock(&f->mutex);
		freeze_watch_look(f);
		(void)pthread_mutex_lock(&f->mutex);
	}
	return NULL;
}

int
freeze_watch_begin(struct freeze *f, struct err *e)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	f->begin_ns = clock_mono_ns();
	f->until_ns = clock_boot_ns() + f->max_ms * NS_PER_MS;
	f->watched = thread_start(&f->watcher, freeze_watch_watch, f) == 0;
	if (!f->watched)
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	LOCKED(&all_mutex);
	f->next = all;
	all = f;
	return 0;
}

static void
freeze_watch_leave_all(struct freeze *f)
{
	LOCKED(&all_mutex);

	for (struct freeze **at = &all; *at != NULL; at = &(*at)->next)
		if (*at == f) {
			*at = f->next;
			return;
		}
}

void
freeze_watch_end(struct freeze *f)
{
	if (!f->watched)
		return;
	freeze_watch_leave_all(f);
	(void)pthread_mutex_lock(&f->mutex);
	f->over = true;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->mutex);
	(void)pthread_join(f->watcher, NULL);
	if (f->helped)
		(void)pthread_join(f->helper, NULL);
	f->watched = f->helped = false;
	(void)pthread_mutex_destroy(&f->mutex);
	(void)pthread_cond_destroy(&f->changed);
}

bool
freeze_interrupt(enum freeze_interruption why, json_t *names)
{
	LOCKED(&all_mutex);

	for (struct freeze *f = all; f != NULL; f = f->next) {
		for (size_t i = 0; i < f->set.count; i++)
			if (frozen_is_held(&f->set, &f->set.items[i]) && names != NULL)
				(void)json_array_append_new(
					names, json_string(f->set.items[i].name));
		freeze_break(f, why == FREEZE_BY_HAND ? BROKEN_HAND : BROKEN_SOCKET);
	}
	return all != NULL;
}
