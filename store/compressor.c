#include "store/compressor.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/codec.h"

enum slot_state { SLOT_FREE, SLOT_WAITS, SLOT_TAKEN, SLOT_DONE };

struct slot {
	unsigned char *data; /* FRAME_MAX bytes: the chunk, then its frame */
	size_t len;
	int result;
	struct err error;
	enum slot_state state; /* under the mutex; the rest belongs to whose turn it is */
};

struct worker {
	struct compressor *of;
	struct codec *codec;
	pthread_t thread;
};

struct compressor {
	struct slot slots[COMPRESSOR_SLOTS]; /* a ring: slot i % COMPRESSOR_SLOTS is chunk i's */
	struct worker workers[COMPRESSOR_WORKERS];
	size_t workers_count; /* started */
	size_t put, taken;    /* chunks; changed by the session's thread alone */

	pthread_mutex_t mutex; /* guards what follows, and each slot's state */
	pthread_cond_t waits;  /* a chunk waits, or the end has come */
	pthread_cond_t done;   /* a frame is done */
	size_t next;	       /* the chunk that a worker takes next */
	bool stop;
};

struct compressor *
compressor_new(void)
{
	struct compressor *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->waits, NULL);
	(void)pthread_cond_init(&c->done, NULL);
	return c;
}

/* The next chunk that is to be compressed; NULL at the end. */
static struct slot *
job_wait(struct compressor *c)
{
	LOCKED(&c->mutex);
	while (!c->stop) {
		struct slot *s = &c->slots[c->next % COMPRESSOR_SLOTS];

		if (s->state == SLOT_WAITS) {
			s->state = SLOT_TAKEN;
			c->next++;
			return s;
		}
		(void)pthread_cond_wait(&c->waits, &c->mutex);
	}
	return NULL;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct compressor *c = w->of;
	struct slot *s;

	while ((s = job_wait(c)) != NULL) {
		const void *frame = NULL;
		size_t len = 0;
		s->result = codec_compress(w->codec, s->data, s->len, &frame, &len, &s->error);
		if (s->result == 0)
			memcpy(s->data, frame, len);
		s->len = len;
		LOCKED(&c->mutex);
		s->state = SLOT_DONE;
		(void)pthread_cond_signal(&c->done);
	}
	return NULL;
}

static size_t
workers_wanted(void)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > COMPRESSOR_WORKERS ? COMPRESSOR_WORKERS : (size_t)cores;
}

/* Signals are the main thread's.  One worker will do where there are no more to be had. */
static int
start(struct compressor *c, struct err *e)
{
	const size_t wanted = workers_wanted();
	sigset_t all, before;
	int failed = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (failed == 0 && c->workers_count < wanted) {
		struct worker *w = &c->workers[c->workers_count];

		*w = (struct worker){.of = c, .codec = codec_new(NULL)};
		failed = pthread_create(&w->thread, NULL, work, w);
		if (failed == 0)
			c->workers_count++;
		else
			codec_free(TAKE(w->codec));
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = failed;
	return c->workers_count > 0 ? 0 : err_errno(e, "cannot start a thread that compresses");
}

void
compressor_free(struct compressor *c)
{
	if (c == NULL)
		return;
	{
		LOCKED(&c->mutex);
		c->stop = true;
		(void)pthread_cond_broadcast(&c->waits);
	}
	for (size_t i = 0; i < c->workers_count; i++) {
		(void)pthread_join(c->workers[i].thread, NULL);
		codec_free(c->workers[i].codec);
	}
	for (size_t i = 0; i < COMPRESSOR_SLOTS; i++)
		free(c->slots[i].data);
	(void)pthread_cond_destroy(&c->waits);
	(void)pthread_cond_destroy(&c->done);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

size_t
compressor_count(const struct compressor *c)
{
	return c->put - c->taken;
}

int
compressor_put(struct compressor *c, const void *data, size_t len, struct err *e)
{
	struct slot *s = &c->slots[c->put % COMPRESSOR_SLOTS];

	assert(len <= CHUNK_MAX && compressor_count(c) < COMPRESSOR_SLOTS);
	if (c->workers_count == 0 && start(c, e) != 0)
		return -1;
	if (s->data == NULL)
		s->data = mem_array(NULL, FRAME_MAX, 1);
	memcpy(s->data, data, len);
	s->len = len;
	c->put++;
	LOCKED(&c->mutex);
	s->state = SLOT_WAITS;
	(void)pthread_cond_signal(&c->waits);
	return 0;
}

int
compressor_take(struct compressor *c, const void **ret_frame, size_t *ret_len, struct err *e)
{
	struct slot *s = &c->slots[c->taken % COMPRESSOR_SLOTS];

	assert(compressor_count(c) > 0);
	{
		LOCKED(&c->mutex);
		while (s->state != SLOT_DONE)
			(void)pthread_cond_wait(&c->done, &c->mutex);
		s->state = SLOT_FREE;
	}
	c->taken++;
	if (s->result != 0) {
		*e = s->error;
		return -1;
	}
	*ret_frame = s->data;
	*ret_len = s->len;
	return 0;
}
