#include "server/upload.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"

struct upload {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char *ring; /* UPLOAD_ROOM bytes, of which ${len} from ${at} on, around its end, are unread
		     */
	size_t at, len;
	bool ended, complete; /* by the connection */
	bool left;	      /* by the operation */
	int users;
};

struct upload *
upload_new(void)
{
	struct upload *u = mem_new(sizeof(*u));
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&u->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&u->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	u->ring = mem_array(NULL, UPLOAD_ROOM, 1);
	u->users = 2;
	return u;
}

static void
release(struct upload *u)
{
	int users;

	(void)pthread_mutex_lock(&u->mutex);
	users = --u->users;
	(void)pthread_cond_broadcast(&u->changed);
	(void)pthread_mutex_unlock(&u->mutex);
	if (users > 0)
		return;
	(void)pthread_cond_destroy(&u->changed);
	(void)pthread_mutex_destroy(&u->mutex);
	free(u->ring);
	free(u);
}

static size_t
upload_smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool
upload_push(struct upload *u, const void *data, size_t len)
{
	const char *from = data;
	LOCKED(&u->mutex);

	while (len > 0 && !u->left) {
		const size_t end = (u->at + u->len) % UPLOAD_ROOM;
		const size_t part = upload_smaller(
			upload_smaller(len, UPLOAD_ROOM - u->len), UPLOAD_ROOM - end);

		if (part == 0) {
			(void)pthread_cond_wait(&u->changed, &u->mutex);
			continue;
		}
		memcpy(u->ring + end, from, part);
		if (u->len == 0)
			(void)pthread_cond_broadcast(&u->changed);
		u->len += part;
		from += part;
		len -= part;
	}
	return !u->left;
}

void
upload_end(struct upload *u, bool complete)
{
	LOCKED(&u->mutex);

	if (u->ended)
		return;
	u->ended = true;
	u->complete = complete;
	(void)pthread_cond_broadcast(&u->changed);
}

bool
upload_wait(struct upload *u, int timeout_ms)
{
	const int64_t until_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
	LOCKED(&u->mutex);

	while (u->len == 0 && !u->ended)
		if (pthread_cond_timedwait(&u->changed, &u->mutex, &until) != 0)
			break;
	return u->len > 0 || u->ended;
}

ssize_t
upload_read(struct upload *u, void *data, size_t size, struct err *e)
{
	size_t part;
	LOCKED(&u->mutex);

	while (u->len == 0 && !u->ended)
		(void)pthread_cond_wait(&u->changed, &u->mutex);
	if (u->len == 0 && !u->complete)
		return err_set(e, ERR_IO,
			"the upload broke off; repeat it: what has come is not stored twice");
	part = upload_smaller(upload_smaller(size, u->len), UPLOAD_ROOM - u->at);
	memcpy(data, u->ring + u->at, part);
	u->at = (u->at + part) % UPLOAD_ROOM;
	if (u->len == UPLOAD_ROOM)
		(void)pthread_cond_broadcast(&u->changed);
	u->len -= part;
	return (ssize_t)part;
}

void
upload_leave(struct upload *u)
{
	(void)pthread_mutex_lock(&u->mutex);
	u->left = true;
	(void)pthread_cond_broadcast(&u->changed);
	(void)pthread_mutex_unlock(&u->mutex);
	release(u);
}

void
upload_release(struct upload *u)
{
	release(u);
}
