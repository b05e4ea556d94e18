#include "store/write/compressor.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "store/packs/codec.h"

enum slot_state { SLOT_FREE, SLOT_WAITS, SLOT_TAKEN, SLOT_DONE };

struct compressor_slot {
	unsigned char *data; /* the chunk, then its frame: in the ring of bytes */
	size_t room;	     /* what it takes of the ring, with what was left out before it */
	size_t len;
	int result;
	struct err error;
	enum slot_state state; /* under the mutex; the rest belongs to whose turn it is */
};

struct compressor_worker {
	struct compressor *of;
	struct codec *codec;
	pthread_t thread;
};

struct compressor {
	struct compressor_slot
		slots[COMPRESSOR_CHUNKS]; /* a ring: slot i % COMPRESSOR_CHUNKS is chunk i's */
	struct compressor_worker workers[COMPRESSOR_WORKERS];
	size_t workers_count; /* started */
	unsigned char *bytes; /* COMPRESSOR_BYTES: a ring, of which each chunk has one stretch */
	size_t at;	      /* where the next chunk may begin */

	pthread_mutex_t mutex; /* guards what follows, and each slot's state */
	pthread_cond_t waits;  /* a chunk waits, or the end has come */
	pthread_cond_t done;   /* a frame is done, or the end has come */
	pthread_cond_t freed;  /* a chunk was released */
	size_t put, released;  /* chunks */
	size_t used;	       /* of the bytes */
	size_t next;	       /* the chunk that a worker takes next */
	bool stop;
};

/* A frame may be longer than its chunk by 1/256 and 64 bytes (ZSTD_COMPRESSBOUND). */
enum { FRAME_MORE = FRAME_MAX - CHUNK_MAX };

static_assert(FRAME_MORE >= (CHUNK_MAX >> 8) && FRAME_MORE > 64 + (128 << 2), "a frame fits");
static_assert(
	(size_t)COMPRESSOR_BYTES >= 2 * (size_t)FRAME_MAX, "any chunk fits, wherever it begins");

struct compressor *
compressor_new(void)
{
	struct compressor *c = mem_new(sizeof(*c));

	(void)pthread_mutex_init(&c->mutex, NULL);
	(void)pthread_cond_init(&c->waits, NULL);
	(void)pthread_cond_init(&c->done, NULL);
	(void)pthread_cond_init(&c->freed, NULL);
	return c;
}

/* The next chunk that is to be compressed; NULL at the end. */
static struct compressor_slot *
compressor_job_wait(struct compressor *c)
{
	LOCKED(&c->mutex);
	while (!c->stop) {
		struct compressor_slot *s = &c->slots[c->next % COMPRESSOR_CHUNKS];

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
compressor_work(void *arg)
{
	struct compressor_worker *w = arg;
	struct compressor *c = w->of;
	struct compressor_slot *s;

	while ((s = compressor_job_wait(c)) != NULL) {
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
compressor_workers_wanted(void)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > COMPRESSOR_WORKERS ? COMPRESSOR_WORKERS : (size_t)cores;
}

/* One worker will do where there are no more to be had. */
static int
start(struct compressor *c, struct err *e)
{
	const size_t wanted = compressor_workers_wanted();
	int failed = 0;

	while (failed == 0 && c->workers_count < wanted) {
		struct compressor_worker *w = &c->workers[c->workers_count];

		*w = (struct compressor_worker){.of = c, .codec = codec_new(NULL)};
		failed = thread_start(&w->thread, compressor_work, w);
		if (failed == 0)
			c->workers_count++;
		else
			codec_free(TAKE(w->codec));
	}
	errno = failed;
	return c->workers_count > 0 ? 0 : err_errno(e, "cannot start a thread that compresses");
}

void
compressor_stop(struct compressor *c)
{
	LOCKED(&c->mutex);
	c->stop = true;
	(void)pthread_cond_broadcast(&c->waits);
	(void)pthread_cond_broadcast(&c->done);
}

void
compressor_free(struct compressor *c)
{
	if (c == NULL)
		return;
	compressor_stop(c);
	for (size_t i = 0; i < c->workers_count; i++) {
		(void)pthread_join(c->workers[i].thread, NULL);
		codec_free(c->workers[i].codec);
	}
	(void)pthread_cond_destroy(&c->waits);
	(void)pthread_cond_destroy(&c->done);
	(void)pthread_cond_destroy(&c->freed);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c->bytes);
	free(c);
}

/* Wait for a slot and ${len} bytes in one stretch; its bytes, or those at the ring's begin. */
static struct compressor_slot *
slot_wait(struct compressor *c, size_t len)
{
	LOCKED(&c->mutex);
	for (;;) {
		if (c->used == 0)
			c->at = 0; /* the first bytes are the ones that the caches have */
		const size_t left = COMPRESSOR_BYTES - c->at;
		const size_t room = len <= left ? len : left + len;

		if (c->put - c->released < COMPRESSOR_CHUNKS &&
			c->used + room <= COMPRESSOR_BYTES) {
			struct compressor_slot *s = &c->slots[c->put % COMPRESSOR_CHUNKS];

			c->used += room;
			c->at = len <= left ? c->at : 0;
			s->data = c->bytes + c->at;
			s->room = room;
			c->at += len;
			return s;
		}
		(void)pthread_cond_wait(&c->freed, &c->mutex);
	}
}

int
compressor_put(struct compressor *c, const void *data, size_t len, struct err *e)
{
	assert(len <= CHUNK_MAX);
	if (c->workers_count == 0 && start(c, e) != 0)
		return -1;
	if (c->bytes == NULL)
		c->bytes = mem_array(NULL, COMPRESSOR_BYTES, 1);
	struct compressor_slot *s = slot_wait(c, len + FRAME_MORE);
	memcpy(s->data, data, len);
	s->len = len;
	LOCKED(&c->mutex);
	s->state = SLOT_WAITS;
	c->put++;
	(void)pthread_cond_signal(&c->waits);
	return 0;
}

int
compressor_take(struct compressor *c, const void **ret_frame, size_t *ret_len, struct err *e)
{
	struct compressor_slot *s;

	{
		LOCKED(&c->mutex);
		s = &c->slots[c->released % COMPRESSOR_CHUNKS];
		while (s->state != SLOT_DONE && !c->stop)
			(void)pthread_cond_wait(&c->done, &c->mutex);
		if (c->stop)
			return 0;
	}
	if (s->result != 0) {
		*e = s->error;
		return -1;
	}
	*ret_frame = s->data;
	*ret_len = s->len;
	return 1;
}

void
compressor_release(struct compressor *c)
{
	LOCKED(&c->mutex);
	struct compressor_slot *s = &c->slots[c->released % COMPRESSOR_CHUNKS];

	assert(s->state == SLOT_DONE);
	s->state = SLOT_FREE;
	c->used -= s->room;
	c->released++;
	(void)pthread_cond_signal(&c->freed);
}

void
compressor_drain(struct compressor *c)
{
	LOCKED(&c->mutex);
	while (c->released < c->put)
		(void)pthread_cond_wait(&c->freed, &c->mutex);
}
