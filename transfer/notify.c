#include "transfer/notify.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "http/http.h"

enum { ANSWER_MAX = 64 * 1024 };

struct notify {
	struct http *http;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	char *queue[NOTIFY_QUEUE]; /* a ring; the first one is being sent */
	size_t first, count;
	struct notify_counts counts;
	atomic_bool stopping;
};

/* One try. */
struct attempt {
	struct notify *notify;
	int64_t since_ns;
};

static bool
notify_time_is_up(void *ctx)
{
	const struct attempt *a = ctx;

	return a->notify->stopping || clock_since_ms(a->since_ns) > NOTIFY_MS;
}

/* 1: taken, 0: try again, -1: it never will be. */
static int
notify_try_once(struct notify *n, const char *body, struct err *e)
{
	struct attempt a = {n, clock_mono_ns()};
	SCOPED(http_reply_free)
	struct http_reply reply = {.body = BUF_INIT(ANSWER_MAX), .content_length = -1};
	const struct http_request request = {.method = "POST",
		.path = "",
		.type = "application/json",
		.body = body,
		.body_len = strlen(body),
		.cancelled = notify_time_is_up,
		.ctx = &a};

	if (http_call(n->http, &request, &reply, e) != 0)
		return 0;
	if (reply.status >= 200 && reply.status < 300)
		return 1;
	(void)err_set(e, ERR_IO, "the receiver answered %d", reply.status);
	return reply.status >= 500 || reply.status == 429 || reply.status == 408 ? 0 : -1;
}

/* With the lock held: until ${ms} have passed, or the end. */
static void
notify_nap(struct notify *n, int64_t ms)
{
	const int64_t until_ns = clock_mono_ns() + ms * 1000000;
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

	while (!n->stopping && clock_mono_ns() < until_ns)
		(void)pthread_cond_timedwait(&n->changed, &n->mutex, &until);
}

/* The lock is held, but for the tries. */
static void
deliver(struct notify *n, const char *body)
{
	struct err e = {.code = ERR_NONE};
	int taken = 0;

	for (int i = 0; i < NOTIFY_TRIES && taken == 0 && !n->stopping; i++) {
		if (i > 0)
			notify_nap(n, INT64_C(1000) << (i - 1));
		if (n->stopping)
			break;
		(void)pthread_mutex_unlock(&n->mutex);
		taken = notify_try_once(n, body, &e);
		(void)pthread_mutex_lock(&n->mutex);
	}
	if (taken > 0) {
		n->counts.sent++;
		return;
	}
	n->counts.failed++;
	if (!n->stopping) /* the text of an error may hold the URL, which may be a secret */
		log_warn("a notification could not be sent%s",
			e.code == ERR_UNREACHABLE ? ": there is no connection to the receiver"
			: e.code == ERR_IO	  ? ": the receiver did not take it"
			: e.code == ERR_TOO_LARGE ? ": the receiver's answer is too long"
						  : ": the receiver took too long");
}

static void *
notify_send_all(void *ctx)
{
	struct notify *n = ctx;
	LOCKED(&n->mutex);

	while (!n->stopping) {
		if (n->count == 0) {
			(void)pthread_cond_wait(&n->changed, &n->mutex);
			continue;
		}
		deliver(n, n->queue[n->first]);
		free(TAKE(n->queue[n->first]));
		n->first = (n->first + 1) % NOTIFY_QUEUE;
		n->count--;
	}
	return NULL;
}

int
notify_open(const char *url, struct notify **ret_notify, struct err *e)
{
	struct notify *n = mem_new(sizeof(*n));
	pthread_condattr_t attr;

	if (http_open(&(struct http_options){.url = url}, &n->http, e) != 0) {
		free(n);
		return err_set(
			e, ERR_INVALID, "FUEL_BACKUP_NOTIFY_URL is no http:// or https:// address");
	}
	(void)pthread_mutex_init(&n->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&n->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (pthread_create(&n->thread, NULL, notify_send_all, n) != 0) {
		http_close(n->http);
		free(n);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	*ret_notify = n;
	return 0;
}

void
notify_close(struct notify *n)
{
	if (n == NULL)
		return;
	(void)pthread_mutex_lock(&n->mutex);
	n->stopping = true;
	(void)pthread_cond_broadcast(&n->changed);
	(void)pthread_mutex_unlock(&n->mutex);
	(void)pthread_join(n->thread, NULL);
	for (size_t i = 0; i < NOTIFY_QUEUE; i++)
		free(n->queue[i]);
	(void)pthread_cond_destroy(&n->changed);
	(void)pthread_mutex_destroy(&n->mutex);
	http_close(n->http);
	free(n);
}

void
notify_send(struct notify *n, char *body)
{
	LOCKED(&n->mutex);

	if (n->count == NOTIFY_QUEUE) {
		if (n->counts.dropped++ == 0)
			log_warn("%d notifications wait for the receiver: others are dropped",
				NOTIFY_QUEUE);
		free(body);
		return;
	}
	n->queue[(n->first + n->count++) % NOTIFY_QUEUE] = body;
	(void)pthread_cond_broadcast(&n->changed);
}

struct notify_counts
notify_counts(struct notify *n)
{
	struct notify_counts counts;

	if (n == NULL)
		return (struct notify_counts){0};
	LOCKED(&n->mutex);
	counts = n->counts;
	counts.waiting = (int64_t)n->count;
	return counts;
}
