#include "archive/restore/small_file_writer.h"

#include <pthread.h>
#include <string.h>

#include "archive/disk/file_write.h"
#include "archive/restore/writeback.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"

struct small_file_writer_slot {
	int fd;
	char *path; /* for errors */
	struct member member;
	unsigned char *data; /* member.size bytes of SMALL_FILE_WRITER_MAX */
};

struct small_file_writer {
	struct small_file_writer_slot slots[SMALL_FILE_WRITER_SLOTS]; /* a ring: that of work i is i
						       % SMALL_FILE_WRITER_SLOTS */
	pthread_t thread;
	bool started, alone; /* or never will be; the caller's thread alone looks at both */
	struct writeback *flush;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t more, less;
	size_t put, done; /* slots from done up to put are the thread's */
	bool stop, failed;
	struct err error;
};

struct small_file_writer *
small_file_writer_new(void)
{
	struct small_file_writer *s = mem_new(sizeof(*s));

	s->flush = writeback_new();
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_cond_init(&s->more, NULL);
	(void)pthread_cond_init(&s->less, NULL);
	return s;
}

bool
small_file_writer_takes(const struct member *m)
{
	return m->type == MEMBER_FILE && m->size <= SMALL_FILE_WRITER_MAX && !m->sparse &&
	       m->xattr_count == 0;
}

static int
write_file(const struct small_file_writer_slot *w, struct err *e)
{
	if (file_write_block(w->fd, (const char *)w->data, (size_t)w->member.size, 0, e) != 0)
		return -1;
	return file_write_looks(w->fd, &w->member, true, e);
}

/* The next slot; NULL: it is the end. */
static struct small_file_writer_slot *
small_file_writer_work_wait(struct small_file_writer *s, bool *ret_useless)
{
	LOCKED(&s->mutex);

	while (s->done == s->put && !s->stop)
		(void)pthread_cond_wait(&s->more, &s->mutex);
	*ret_useless = s->failed;
	return s->done == s->put ? NULL : &s->slots[s->done % SMALL_FILE_WRITER_SLOTS];
}

static void
small_file_writer_carry_out(
	struct small_file_writer *s, struct small_file_writer_slot *w, bool useless)
{
	struct err e;
	const bool failed = !useless && write_file(w, &e) != 0;

	if (failed)
		(void)err_prefix(&e, "%s", w->path);
	writeback_wrote(s->flush, w->fd, w->member.size);
	fd_close_at(&w->fd);
	free(w->path);
	LOCKED(&s->mutex);
	s->done++;
	if (failed) {
		s->failed = true;
		s->error = e;
	}
	(void)pthread_cond_signal(&s->less);
}

static void *
small_file_writer_work(void *arg)
{
	struct small_file_writer *s = arg;
	struct small_file_writer_slot *w;
	bool useless;

	while ((w = small_file_writer_work_wait(s, &useless)) != NULL)
		small_file_writer_carry_out(s, w, useless);
	return NULL;
}

static void
small_file_writer_start(struct small_file_writer *s)
{
	if (s->started || s->alone)
		return;
	s->started = thread_start(&s->thread, small_file_writer_work, s) == 0;
	s->alone = !s->started;
}

/* The next slot, once there is one. */
static struct small_file_writer_slot *
small_file_writer_slot_next(struct small_file_writer *s)
{
	small_file_writer_start(s);
	LOCKED(&s->mutex);
	while (s->put - s->done == SMALL_FILE_WRITER_SLOTS)
		(void)pthread_cond_wait(&s->less, &s->mutex);
	return &s->slots[s->put % SMALL_FILE_WRITER_SLOTS];
}

static void
small_file_writer_slot_send(struct small_file_writer *s, struct small_file_writer_slot *w)
{
	{
		LOCKED(&s->mutex);
		s->put++;
		(void)pthread_cond_signal(&s->more);
	}
	if (s->alone)
		small_file_writer_carry_out(s, w, s->failed);
}

static int
what_failed(struct small_file_writer *s, struct err *e)
{
	LOCKED(&s->mutex);

	if (s->failed)
		*e = s->error;
	return s->failed ? -1 : 0;
}

/* The content of ${m} into ${w}. */
static int
slot_fill(struct small_file_writer_slot *w, const struct member *m, struct reader *r, struct err *e)
{
	const void *data;
	int64_t offset, end = 0;
	size_t len;
	int more;

	if (w->data == NULL)
		w->data = mem_array(NULL, SMALL_FILE_WRITER_MAX, 1);
	while ((more = reader_block(r, &data, &len, &offset, e)) > 0) {
		if (offset != end || (int64_t)len > m->size - end)
			return err_set(e, ERR_CORRUPT, "%s has more content than it says", m->path);
		memcpy(w->data + end, data, len);
		end += (int64_t)len;
	}
	if (more < 0)
		return -1;
	return end == m->size
		       ? 0
		       : err_set(e, ERR_CORRUPT, "%s has less content than it says", m->path);
}

int
small_file_writer_put(struct small_file_writer *s, int fd, const struct member *m, struct reader *r,
	struct err *e)
{
	SCOPED(fd_close_at) int file = fd;
	struct small_file_writer_slot *w = small_file_writer_slot_next(s);

	if (what_failed(s, e) != 0 || slot_fill(w, m, r, e) != 0)
		return -1;
	w->fd = TAKE_FD(file);
	w->path = mem_string(m->path);
	w->member = (struct member){.type = m->type,
		.mode = m->mode,
		.uid = m->uid,
		.gid = m->gid,
		.size = m->size,
		.mtime_ns = m->mtime_ns};
	small_file_writer_slot_send(s, w);
	return 0;
}

int
small_file_writer_settle(struct small_file_writer *s, struct err *e)
{
	if (s == NULL)
		return 0;
	{
		LOCKED(&s->mutex);
		while (s->done < s->put)
			(void)pthread_cond_wait(&s->less, &s->mutex);
	}
	return what_failed(s, e);
}

void
small_file_writer_free(struct small_file_writer *s)
{
	if (s == NULL)
		return;
	{
		LOCKED(&s->mutex);
		s->stop = true;
		(void)pthread_cond_signal(&s->more);
	}
	if (s->started)
		(void)pthread_join(s->thread, NULL);
	writeback_free(s->flush);
	for (size_t i = 0; i < SMALL_FILE_WRITER_SLOTS; i++)
		free(s->slots[i].data);
	(void)pthread_cond_destroy(&s->less);
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s);
}
