#include "jobs/socket_watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "jobs/freeze/freeze.h"

static const int64_t LOOK_NS = 500 * 1000000LL, NS_PER_S = 1000000000;

struct socket_watch {
	struct engine *engine;
	void (*dead)(void *ctx);
	void *ctx;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool over;
};

static void *
socket_watch_watch(void *ctx)
{
	struct socket_watch *w = ctx;
	LOCKED(&w->mutex);

	while (!w->over) {
		const int64_t at_ns = clock_mono_ns() + LOOK_NS;
		const struct timespec until = {at_ns / NS_PER_S, at_ns % NS_PER_S};

		(void)pthread_cond_timedwait(&w->changed, &w->mutex, &until);
		if (w->over || !engine_socket_dead(w->engine))
			continue;
		log_error("the engine was started anew, and %s in this container is the old one's: "
			  "this service ends, so that its restart policy starts it with the new "
			  "one",
			engine_socket(w->engine));
		(void)freeze_interrupt(FREEZE_SOCKET_DEAD, NULL);
		w->dead(w->ctx);
		break;
	}
	return NULL;
}

int
socket_watch_open(struct engine *g, void (*dead)(void *ctx), void *ctx,
	struct socket_watch **ret_watch, struct err *e)
{
	struct socket_watch *w = mem_new(sizeof(*w));
	pthread_condattr_t attr;

	*w = (struct socket_watch){.engine = g, .dead = dead, .ctx = ctx};
	(void)pthread_mutex_init(&w->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (thread_start(&w->thread, socket_watch_watch, w) != 0) {
		free(w);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	*ret_watch = w;
	return 0;
}

void
socket_watch_close(struct socket_watch *w)
{
	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->mutex);
	w->over = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->mutex);
	(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->changed);
	(void)pthread_mutex_destroy(&w->mutex);
	free(w);
}
