#include "jobs/copies/copier.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"

/* How often it looks by itself, and while another copy is in the way. */
enum { LOOK_MS = 10000, BUSY_MS = 1000 };

struct copier {
	struct copies *copies;
	copier_begin *begin;
	void *ctx;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool threaded, stopping, woken;
};

/* With the lock held: until it is woken, or so long. */
static void
nap(struct copier *c, int64_t ms)
{
	const int64_t until_ns = clock_mono_ns() + ms * 1000000;
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

	while (!c->stopping && !c->woken && clock_mono_ns() < until_ns)
		(void)pthread_cond_timedwait(&c->changed, &c->mutex, &until);
	c->woken = false;
}

/* Begin what is due; how long to wait then. */
static int64_t
begin_due(struct copier *c)
{
	char backup[ID_SIZE], destination[DESTINATION_NAME_MAX + 1];
	struct err e, ignored;

	if (!copies_due(c->copies, clock_real_ns(), backup, destination))
		return LOOK_MS;
	while (c->begin(c->ctx, backup, destination, &e) != 0) {
		if (e.code != ERR_BUSY) {
			log_warn("backup %s is not copied to %s: %s", backup, destination, e.text);
			(void)copies_failed(c->copies, backup, destination, &e, &ignored);
			return 0;
		}
		LOCKED(&c->mutex);
		if (c->stopping)
			return 0;
		nap(c, BUSY_MS);
	}
	return 0;
}

static void *
run(void *ctx)
{
	struct copier *c = ctx;
	int64_t ms = 0;

	for (;;) {
		(void)pthread_mutex_lock(&c->mutex);
		nap(c, ms);
		const bool stopping = c->stopping;
		(void)pthread_mutex_unlock(&c->mutex);
		if (stopping)
			return NULL;
		ms = begin_due(c);
	}
}

int
copier_open(struct copies *copies, copier_begin *begin, void *ctx, struct copier **ret_copier,
	struct err *e)
{
	struct copier *c = mem_new(sizeof(*c));
	pthread_condattr_t attr;

	*c = (struct copier){.copies = copies, .begin = begin, .ctx = ctx};
	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret_copier = c;
	if (thread_start(&c->thread, run, c) != 0)
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	c->threaded = true;
	return 0;
}

void
copier_wake(struct copier *c)
{
	LOCKED(&c->mutex);

	c->woken = true;
	(void)pthread_cond_broadcast(&c->changed);
}

void
copier_stop(struct copier *c)
{
	if (c == NULL || !c->threaded)
		return;
	(void)pthread_mutex_lock(&c->mutex);
	c->stopping = true;
	(void)pthread_cond_broadcast(&c->changed);
	(void)pthread_mutex_unlock(&c->mutex);
	(void)pthread_join(c->thread, NULL);
	c->threaded = false;
}

void
copier_close(struct copier *c)
{
	if (c == NULL)
		return;
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}
