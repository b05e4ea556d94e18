#include "archive/restore/writeback.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"

/* What is begun at once; and what an empty file counts as: inode, directory entry. */
enum { WRITEBACK_EVERY = 32 * 1024 * 1024, WRITEBACK_FILE = 4096 };

struct writeback {
	int64_t bytes; /* since it last began; the caller's thread alone */
	pthread_t thread;
	bool started; /* likewise */

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t more;
	int fd; /* its file system is to be written, -1 */
	bool stop;
};

struct writeback *
writeback_new(void)
{
	struct writeback *f = mem_new(sizeof(*f));

	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_cond_init(&f->more, NULL);
	f->fd = -1;
	return f;
}

/* A file in what is to be written next; -1 at the end. */
static int
writeback_work_wait(struct writeback *f)
{
	LOCKED(&f->mutex);
	while (f->fd < 0 && !f->stop)
		(void)pthread_cond_wait(&f->more, &f->mutex);
	return f->stop ? -1 : TAKE_FD(f->fd);
}

static void *
writeback_work(void *arg)
{
	int fd;

	while ((fd = writeback_work_wait(arg)) >= 0) {
		(void)syncfs(fd);
		(void)close(fd);
	}
	return NULL;
}

void
writeback_wrote(struct writeback *f, int fd, int64_t bytes)
{
	f->bytes += bytes + WRITEBACK_FILE;
	if (f->bytes < WRITEBACK_EVERY)
		return;
	f->bytes = 0;
	if (!f->started)
		f->started = thread_start(&f->thread, writeback_work, f) == 0;
	LOCKED(&f->mutex);
	if (f->started && f->fd < 0) {
		f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		(void)pthread_cond_signal(&f->more);
	}
}

void
writeback_free(struct writeback *f)
{
	{
		LOCKED(&f->mutex);
		f->stop = true;
		(void)pthread_cond_signal(&f->more);
	}
	if (f->started)
		(void)pthread_join(f->thread, NULL);
	fd_close_at(&f->fd);
	(void)pthread_cond_destroy(&f->more);
	(void)pthread_mutex_destroy(&f->mutex);
	free(f);
}
