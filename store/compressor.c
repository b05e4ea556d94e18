#include "store/compressor.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/codec.h"

struct slot {
	unsigned char *data; /* FRAME_MAX bytes: the chunk, then its frame */
	size_t len;
	int result;
	struct err error;
};

struct compressor {
	struct slot slots[COMPRESSOR_SLOTS]; /* a ring: slot i % COMPRESSOR_SLOTS is chunk i's */
	struct codec *codec;		     /* the thread's */
	pthread_t thread;
	bool started;
	size_t taken; /* chunks; taken <= done <= put */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t moved;
	size_t put, done;
	bool stop;
};

struct compressor *
compressor_new(void)
{
	struct compressor *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->moved, NULL);
	return c;
}

/* The next chunk that is to be compressed; NULL at the end. */
static struct slot *
job_wait(struct compressor *c)
{
	LOCKED(&c->mutex);
	while (c->done == c->put && !c->stop)
		(void)pthread_cond_wait(&c->moved, &c->mutex);
	return c->stop ? NULL : &c->slots[c->done % COMPRESSOR_SLOTS];
}

static void *
work(void *arg)
{
	struct compressor *c = arg;
	struct slot *s;

	while ((s = job_wait(c)) != NULL) {
		const void *frame = NULL;
		size_t len = 0;
		s->result = codec_compress(c->codec, s->data, s->len, &frame, &len, &s->error);
		if (s->result == 0)
			memcpy(s->data, frame, len);
		s->len = len;
		LOCKED(&c->mutex);
		c->done++;
		(void)pthread_cond_broadcast(&c->moved);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int
start(struct compressor *c, struct err *e)
{
	sigset_t all, before;

	c->codec = codec_new();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&c->thread, NULL, work, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (errno == 0) {
		c->started = true;
		return 0;
	}
	codec_free(TAKE(c->codec));
	return err_errno(e, "cannot start the thread that compresses");
}

void
compressor_free(struct compressor *c)
{
	if (c == NULL)
		return;
	if (c->started) {
		{
			LOCKED(&c->mutex);
			c->stop = true;
			(void)pthread_cond_broadcast(&c->moved);
		}
		(void)pthread_join(c->thread, NULL);
	}
	codec_free(c->codec);
	for (size_t i = 0; i < COMPRESSOR_SLOTS; i++)
		free(c->slots[i].data);
	(void)pthread_cond_destroy(&c->moved);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

size_t
compressor_count(const struct compressor *c)
{
	return c->put - c->taken; /* put is changed by this very thread */
}

int
compressor_put(struct compressor *c, const void *data, size_t len, struct err *e)
{
	struct slot *s = &c->slots[c->put % COMPRESSOR_SLOTS];

	assert(len <= CHUNK_MAX && compressor_count(c) < COMPRESSOR_SLOTS);
	if (!c->started && start(c, e) != 0)
		return -1;
	if (s->data == NULL)
		s->data = mem_new(FRAME_MAX);
	memcpy(s->data, data, len);
	s->len = len;
	LOCKED(&c->mutex);
	c->put++;
	(void)pthread_cond_broadcast(&c->moved);
	return 0;
}

int
compressor_take(struct compressor *c, const void **ret_frame, size_t *ret_len, struct err *e)
{
	struct slot *s = &c->slots[c->taken % COMPRESSOR_SLOTS];

	assert(compressor_count(c) > 0);
	{
		LOCKED(&c->mutex);
		while (c->done == c->taken)
			(void)pthread_cond_wait(&c->moved, &c->mutex);
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
