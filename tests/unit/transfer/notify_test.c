/* Goal: a message reaches the webhook as it is, is tried again when it may help, and holds nobody
 * up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/peer.h"
#include "transfer/notify.h"

struct script {
	const int *statuses; /* of the requests in order; the last one goes on; 0: the connection
				breaks off */
	int count, at;
};

static void
answer(struct peer *p, const char *request, char reply[PEER_TEXT])
{
	struct script *s = p->ctx;
	const int status = s->statuses[s->at];

	(void)request;
	s->at += s->at < s->count - 1 ? 1 : 0;
	if (status != 0)
		peer_reply(reply, status, status == 302 ? "Location: /elsewhere\r\n" : "", "{}");
}

struct world {
	struct peer peer;
	struct script script;
	struct notify *notify;
};

static void
begin(struct world *w, const int *statuses, int count)
{
	char url[128];
	struct err e;

	*w = (struct world){.script = {statuses, count, 0}, .peer.answer = answer};
	w->peer.ctx = &w->script;
	peer_open(&w->peer);
	(void)snprintf(url, sizeof(url), "%s/hook?key=secret", w->peer.url);
	assert_int_equal(notify_open(url, &w->notify, &e), 0);
}

static void
end(struct world *w)
{
	notify_close(w->notify);
	peer_close(&w->peer);
}

/* Wait until nothing waits any more. */
static struct notify_counts
settle(struct world *w)
{
	struct notify_counts counts = notify_counts(w->notify);

	for (; counts.waiting > 0; counts = notify_counts(w->notify))
		(void)usleep(1000);
	return counts;
}

static void
test_sent(void **state)
{
	static const int ok[] = {200, 204};
	struct notify_counts counts;
	struct world w;

	(void)state;
	begin(&w, ok, 2);
	notify_send(w.notify, mem_string("{\"event\": \"first\"}"));
	notify_send(w.notify, mem_string("{\"event\": \"second\"}"));
	counts = settle(&w);
	assert_int_equal(counts.sent, 2);
	assert_int_equal(counts.failed + counts.dropped, 0);
	assert_int_equal(peer_count(&w.peer), 2);
	assert_int_equal(strncmp(w.peer.requests[0], "POST /hook?key=secret HTTP/1.1\r\n", 32), 0);
	assert_non_null(strstr(w.peer.requests[0], "Content-Type: application/json\r\n"));
	assert_non_null(strstr(w.peer.requests[0], "\r\n\r\n{\"event\": \"first\"}"));
	assert_non_null(strstr(w.peer.requests[1], "\r\n\r\n{\"event\": \"second\"}"));
	end(&w);
}

/* A receiver that may take it later is asked again, with the same message, and the next one waits.
 */
static void
test_tried_again(void **state)
{
	static const int mending[] = {503, 0, 200};
	struct notify_counts counts;
	const int64_t since_ns = clock_mono_ns();
	struct world w;

	(void)state;
	begin(&w, mending, 3);
	notify_send(w.notify, mem_string("1"));
	notify_send(w.notify, mem_string("2"));
	counts = settle(&w);
	assert_int_equal(counts.sent, 2);
	assert_int_equal(counts.failed, 0);
	assert_int_equal(peer_count(&w.peer), 4);
	for (int i = 0; i < 4; i++)
		assert_non_null(strstr(w.peer.requests[i], i < 3 ? "\r\n\r\n1" : "\r\n\r\n2"));
	assert_true(clock_since_ms(since_ns) >= 3000); /* pauses of one and of two seconds */
	end(&w);
}

/* What will not become better is not tried again; a redirect is not followed. */
static void
test_refused(void **state)
{
	static const int finals[] = {302, 400, 401, 404, 410};

	(void)state;
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct notify_counts counts;
		struct world w;

		begin(&w, &finals[i], 1);
		notify_send(w.notify, mem_string("1"));
		counts = settle(&w);
		assert_int_equal(counts.failed, 1);
		assert_int_equal(counts.sent, 0);
		assert_int_equal(peer_count(&w.peer), 1);
		end(&w);
	}
}

/* Behind a receiver that does not answer NOTIFY_QUEUE messages wait; who gives more never does, and
 * neither does the end. */
static void
test_queue(void **state)
{
	static const int ok[] = {200};
	struct notify_counts counts;
	struct world w;

	(void)state;
	begin(&w, ok, 1);
	w.peer.held = true;
	for (int i = 0; i < NOTIFY_QUEUE + 3; i++)
		notify_send(w.notify, mem_string("{}"));
	counts = notify_counts(w.notify);
	assert_int_equal(counts.waiting, NOTIFY_QUEUE);
	assert_int_equal(counts.dropped, 3);
	peer_wait(&w.peer, 1);
	notify_close(w.notify);
	assert_int_equal(peer_count(&w.peer), 1);
	peer_close(&w.peer);
}

static void
test_addresses(void **state)
{
	static const char *const wrong[] = {"", "hook", "ftp://127.0.0.1/x", "file:///etc/passwd"};
	struct notify *n = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(notify_open(wrong[i], &n, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	notify_close(NULL);
	assert_int_equal(notify_counts(NULL).sent, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent),
		cmocka_unit_test(test_tried_again),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
