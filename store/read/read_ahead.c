#include "store/read/read_ahead.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bulk.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "store/packs/codec.h"
#include "store/packs/pack_readers.h"
#include "store/read/chunk_load.h"

/*	FREE ──put──> WAITS ──a worker──> TAKEN ──> DONE ──take──> FREE
 *	                └─────────────drop───────────┴────drop──────┘
 */
enum slot_state { SLOT_FREE, SLOT_WAITS, SLOT_TAKEN, SLOT_DONE };

struct read_ahead_slot {
	struct chunk rows[READ_AHEAD_ROWS];
	bool same[READ_AHEAD_ROWS];
	size_t count;
	enum read_ahead_use use;
	int fd; /* unless they are only read; and the first one's place in it */
	int64_t offset;
	size_t whole;	     /* of them, */
	unsigned char *data; /* CHUNK_MAX bytes: their plain bytes */
	size_t len;
	struct err error;      /* of the one after them, if there is one */
	enum slot_state state; /* under the mutex; the rest belongs to whose turn it is */
};

struct read_ahead_worker {
	struct read_ahead *of;
	struct pack_readers files;
	struct codec *codec;
	unsigned char *record;
	pthread_t thread;
};

struct read_ahead {
	struct read_ahead_slot
		slots[READ_AHEAD_SLOTS]; /* a ring: slot i % READ_AHEAD_SLOTS is batch i's */
	struct read_ahead_worker workers[READ_AHEAD_WORKERS];
	size_t workers_count;	      /* started */
	size_t put, taken;	      /* batches; changed by the caller's thread alone */
	struct read_ahead_slot *last; /* that was taken; likewise */

	pthread_mutex_t mutex; /* guards what follows, and each slot's state */
	pthread_cond_t waits;  /* a batch waits, or the end has come */
	pthread_cond_t done;   /* a batch is done */
	size_t next;	       /* the batch that a worker takes next */
	bool stop;
};

static struct read_ahead_slot *
read_ahead_slot_of(struct read_ahead *a, size_t batch)
{
	return &a->slots[batch % READ_AHEAD_SLOTS];
}

/* The next batch; NULL at the end. */
static struct read_ahead_slot *
read_ahead_job_wait(struct read_ahead *a)
{
	LOCKED(&a->mutex);
	while (!a->stop) {
		struct read_ahead_slot *s = read_ahead_slot_of(a, a->next);

		if (s->state == SLOT_WAITS) {
			s->state = SLOT_TAKEN;
			a->next++;
			return s;
		}
		(void)pthread_cond_wait(&a->waits, &a->mutex);
	}
	return NULL;
}

static void
expand(struct read_ahead_worker *w, struct read_ahead_slot *s)
{
	s->len = 0;
	for (s->whole = 0; s->whole < s->count; s->whole++) {
		const struct chunk *c = &s->rows[s->whole];
		const void *plain = chunk_load(&w->files, w->codec, w->record, c, false, &s->error);

		if (plain == NULL)
			return;
		memcpy(s->data + s->len, plain, c->plain_len);
		s->len += c->plain_len;
	}
}

/* The first ${len} bytes at ${offset}; false: there are not so many. */
static bool
read_whole(int fd, unsigned char *data, size_t len, int64_t offset)
{
	while (len > 0) {
		const ssize_t got = pread(fd, data, len, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		data += got;
		offset += got;
		len -= (size_t)got;
	}
	return true;
}

/* Up to the first chunk that the file has not got, or of COMPARE has not got as it is. */
static void
look_for(struct read_ahead_worker *w, struct read_ahead_slot *s)
{
	unsigned char id[RECORD_ID_SIZE];

	s->len = 0;
	for (s->whole = 0; s->whole < s->count; s->whole++) {
		const struct chunk *c = &s->rows[s->whole];
		unsigned char *data = s->data + s->len;

		if (!read_whole(s->fd, data, c->plain_len, s->offset + (int64_t)s->len))
			break;
		codec_id(w->codec, data, c->plain_len, id);
		s->same[s->whole] = memcmp(id, c->id, sizeof(id)) == 0;
		if (s->use == READ_AHEAD_COMPARE && !s->same[s->whole])
			break;
		s->len += c->plain_len;
	}
	if (s->whole < s->count)
		(void)err_set(&s->error, ERR_CONFLICT, "the file has something else");
}

static void
copy_to(struct read_ahead_worker *w, struct read_ahead_slot *s)
{
	expand(w, s);
	if (bulk_write(s->fd, s->data, s->len, s->offset) != 0) {
		(void)err_errno(&s->error, "cannot write");
		s->whole = 0;
	}
}

static void
read_ahead_carry_out(struct read_ahead_worker *w, struct read_ahead_slot *s)
{
	switch (s->use) {
	case READ_AHEAD_READ:
		expand(w, s);
		break;
	case READ_AHEAD_COMPARE:
	case READ_AHEAD_LOOK:
		look_for(w, s);
		break;
	case READ_AHEAD_WRITE:
		copy_to(w, s);
		break;
	}
}

static void *
read_ahead_work(void *arg)
{
	struct read_ahead_worker *w = arg;
	struct read_ahead *a = w->of;
	struct read_ahead_slot *s;

	while ((s = read_ahead_job_wait(a)) != NULL) {
		read_ahead_carry_out(w, s);
		LOCKED(&a->mutex);
		s->state = SLOT_DONE;
		(void)pthread_cond_signal(&a->done);
	}
	return NULL;
}

static size_t
read_ahead_workers_wanted(void)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > READ_AHEAD_WORKERS ? READ_AHEAD_WORKERS : (size_t)cores;
}

static void
worker_clear(struct read_ahead_worker *w)
{
	pack_readers_close(&w->files);
	codec_free(w->codec);
	free(w->record);
}

static void
read_ahead_start(struct read_ahead *a, struct store *s)
{
	const size_t wanted = read_ahead_workers_wanted();
	int failed = 0;

	while (failed == 0 && a->workers_count < wanted) {
		struct read_ahead_worker *w = &a->workers[a->workers_count];

		w->of = a;
		pack_readers_init(&w->files, s);
		w->codec = codec_new(s->cipher);
		w->record = mem_array(NULL, PACK_READERS_RECORD_MAX, 1);
		failed = thread_start(&w->thread, read_ahead_work, w);
		if (failed == 0)
			a->workers_count++;
		else
			worker_clear(w);
	}
}

struct read_ahead *
read_ahead_new(struct store *s)
{
	struct read_ahead *a = mem_new(sizeof(*a));

	(void)pthread_mutex_init(&a->mutex, NULL);
	(void)pthread_cond_init(&a->waits, NULL);
	(void)pthread_cond_init(&a->done, NULL);
	read_ahead_start(a, s);
	if (a->workers_count > 0)
		return a;
	read_ahead_free(a);
	return NULL;
}

void
read_ahead_free(struct read_ahead *a)
{
	if (a == NULL)
		return;
	{
		LOCKED(&a->mutex);
		a->stop = true;
		(void)pthread_cond_broadcast(&a->waits);
	}
	for (size_t i = 0; i < a->workers_count; i++) {
		(void)pthread_join(a->workers[i].thread, NULL);
		worker_clear(&a->workers[i]);
	}
	for (size_t i = 0; i < READ_AHEAD_SLOTS; i++)
		free(a->slots[i].data);
	(void)pthread_cond_destroy(&a->waits);
	(void)pthread_cond_destroy(&a->done);
	(void)pthread_mutex_destroy(&a->mutex);
	free(a);
}

size_t
read_ahead_room(const struct read_ahead *a)
{
	return 2 * a->workers_count;
}

size_t
read_ahead_count(const struct read_ahead *a)
{
	return a->put - a->taken;
}

/* The slot for the next batch. */
static struct read_ahead_slot *
read_ahead_slot_next(struct read_ahead *a)
{
	struct read_ahead_slot *s = read_ahead_slot_of(a, a->put);

	assert(read_ahead_count(a) < read_ahead_room(a));
	if (s->data == NULL)
		s->data = mem_array(NULL, CHUNK_MAX, 1);
	return s;
}

static void
read_ahead_slot_send(struct read_ahead *a, struct read_ahead_slot *s)
{
	a->put++;
	LOCKED(&a->mutex);
	s->state = SLOT_WAITS;
	(void)pthread_cond_signal(&a->waits);
}

void
read_ahead_put(struct read_ahead *a, const struct chunk *rows, size_t count)
{
	struct read_ahead_slot *s = read_ahead_slot_next(a);

	assert(count > 0 && count <= READ_AHEAD_ROWS);
	memcpy(s->rows, rows, count * sizeof(*rows));
	s->count = count;
	s->use = READ_AHEAD_READ;
	read_ahead_slot_send(a, s);
}

int
read_ahead_put_file(
	struct read_ahead *a, struct row_window *w, struct read_ahead_file *f, struct err *e)
{
	struct read_ahead_slot *s = read_ahead_slot_next(a);
	const int64_t enough = f->use == READ_AHEAD_WRITE ? CHUNK_MAX : READ_AHEAD_BATCH;
	int64_t bytes = 0;
	size_t count = 0;

	while (count < READ_AHEAD_ROWS && bytes < enough && f->put + count < w->chunks) {
		const struct chunk *c = row_window_row(w, f->put + count, e);

		if (c == NULL)
			return -1;
		if (f->at + bytes + c->plain_len > f->end || c->plain_len > CHUNK_MAX - bytes)
			break;
		bytes += c->plain_len;
		s->rows[count++] = *c;
	}
	if (count == 0)
		return 0;
	s->count = count;
	s->use = f->use;
	s->fd = f->fd;
	s->offset = f->at + f->shift;
	f->put += count;
	f->at += bytes;
	read_ahead_slot_send(a, s);
	return 1;
}

const struct chunk *
read_ahead_rows(const struct read_ahead *a)
{
	return a->last->rows;
}

const bool *
read_ahead_same(const struct read_ahead *a)
{
	return a->last->same;
}

ssize_t
read_ahead_take(
	struct read_ahead *a, const unsigned char **ret_plain, size_t *ret_len, struct err *e)
{
	struct read_ahead_slot *s = read_ahead_slot_of(a, a->taken);

	assert(read_ahead_count(a) > 0);
	{
		LOCKED(&a->mutex);
		while (s->state != SLOT_DONE)
			(void)pthread_cond_wait(&a->done, &a->mutex);
		s->state = SLOT_FREE;
	}
	a->taken++;
	a->last = s;
	if (s->whole < s->count)
		read_ahead_drop(a);
	if (s->whole == 0) {
		*e = s->error;
		return -1;
	}
	*ret_plain = s->data;
	*ret_len = s->len;
	return (ssize_t)s->whole;
}

void
read_ahead_drop(struct read_ahead *a)
{
	LOCKED(&a->mutex);
	a->next = a->put;
	for (; a->taken < a->put; a->taken++) {
		struct read_ahead_slot *s = read_ahead_slot_of(a, a->taken);

		while (s->state == SLOT_TAKEN)
			(void)pthread_cond_wait(&a->done, &a->mutex);
		s->state = SLOT_FREE;
	}
}
