#include "jobs/operations/operations.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "handlers/app.h"
#include "handlers/pages.h"
#include "handlers/start.h"

enum { WAIT_MAX_S = 300 };

/* Half of all connections: those who wait may not shut out the others. */
enum { WAITERS_MAX = 64 };

enum { COMMENT_MS = 25 * 1000, STOPPING_MS = 1000, EVENT_MAX = 1024 * 1024 };

static atomic_int waiters;

static int
waiter_enter(struct reply *reply)
{
	if (atomic_fetch_add(&waiters, 1) < WAITERS_MAX)
		return 0;
	atomic_fetch_sub(&waiters, 1);
	reply_new_problem(reply, 503,
		json_pack("{s:s, s:s, s:s}", "type", "urn:fuel-backup:waiters", "title",
			"Too many clients are waiting", "detail",
			"at most 64 may follow operations at once: ask again without waiting"));
	reply_header(reply, "Retry-After", "5");
	return -1;
}

static void
waiter_leave(void)
{
	atomic_fetch_sub(&waiters, 1);
}

int
operations_list_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct page page;
	json_t *list;
	bool more;

	if (page_asked(r, &page, e) != 0 || operations_list(jobs_operations(app->jobs), page.limit,
						    page.after, &list, &more, e) != 0)
		return -1;
	page_answer(reply, "operations", list, more);
	return 0;
}

/* The document when it has ended, or after ${ms}. */
static int
operations_await_end(
	struct operations *ops, const char *id, int64_t ms, json_t **ret_document, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();
	int64_t sequence = -1;

	for (;;) {
		const int64_t passed = clock_since_ms(since_ns);
		int64_t now;

		if (operations_wait(
			    ops, id, sequence, passed < ms ? ms - passed : 0, ret_document, e) != 0)
			return -1;
		now = json_integer_value(json_object_get(*ret_document, "sequence"));
		if (operation_ended(*ret_document) || passed >= ms || now == sequence)
			return 0; /* an unchanged one: time is up, or the service stops */
		sequence = now;
		json_decref(*ret_document);
	}
}

int
operation_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	struct operations *ops = jobs_operations(app->jobs);
	json_t *document;
	int64_t seconds;
	int status;

	if (request_integer(r, "wait", 0, WAIT_MAX_S, 0, &seconds, e) != 0)
		return -1;
	if (seconds == 0) {
		status = operations_get(ops, r->id, &document, e);
	} else {
		if (waiter_enter(reply) != 0)
			return 0;
		status = operations_await_end(ops, r->id, seconds * 1000, &document, e);
		waiter_leave();
	}
	if (status == 0)
		reply_json(reply, 200, document);
	return status;
}

int
operation_delete(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	struct app *app = ctx;

	if (start_no_body(r, e) != 0 ||
		operations_cancel(jobs_operations(app->jobs), r->id, e) != 0)
		return -1;
	return start_answer(app, r->id, 202, reply, e);
}

/* One client that follows an operation. */
struct follower {
	struct operations *ops;
	char id[ID_SIZE];
	int64_t sequence; /* that the client knows */
	struct buf text;  /* not sent yet */
	bool ended;
};

/* The next event, or a comment that keeps the connection alive; nothing more at the end. */
static void
next_event(struct follower *f)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(free_at) char *text = NULL;
	const int64_t since_ns = clock_mono_ns();
	int64_t sequence;
	struct err e;

	if (operations_wait(f->ops, f->id, f->sequence, COMMENT_MS, &document, &e) != 0) {
		f->ended = true;
		return;
	}
	sequence = json_integer_value(json_object_get(document, "sequence"));
	f->ended = operation_ended(document);
	if (sequence > f->sequence) {
		text = json_dumps(document, JSON_COMPACT);
		(void)buf_format(&f->text, "id: %lld\ndata: %s\n\n", (long long)sequence,
			text == NULL ? "null" : text);
		f->sequence = sequence;
	} else if (clock_since_ms(since_ns) < STOPPING_MS) {
		f->ended = true; /* the service stops */
	} else {
		(void)buf_text(&f->text, ": still there\n\n");
	}
}

static ssize_t
follower_read(void *ctx, uint64_t offset, char *data, size_t size)
{
	struct follower *f = ctx;
	size_t len;

	(void)offset;
	if (f->text.len == 0 && !f->ended)
		next_event(f);
	len = f->text.len < size ? f->text.len : size;
	memcpy(data, f->text.data == NULL ? "" : f->text.data, len);
	buf_drop_front(&f->text, len);
	return (ssize_t)len;
}

static void
follower_close(void *ctx)
{
	struct follower *f = ctx;

	buf_free(&f->text);
	free(f);
	waiter_leave();
}

static int64_t
last_event(const struct request *r)
{
	const char *text = request_header(r, "Last-Event-ID");
	char *end;
	long long value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	value = strtoll(text, &end, 10);
	return *end == '\0' ? value : -1;
}

int
events_get(void *ctx, struct request *r, struct reply *reply, struct err *e)
{
	const struct app *app = ctx;
	SCOPED(json_decref_at) json_t *document = NULL;
	struct follower *f;

	if (operations_get(jobs_operations(app->jobs), r->id, &document, e) != 0)
		return -1;
	if (operation_ended(document) &&
		last_event(r) >= json_integer_value(json_object_get(document, "sequence"))) {
		reply_empty(reply, 204);
		return 0;
	}
	if (waiter_enter(reply) != 0)
		return 0;
	f = mem_new(sizeof(*f));
	f->ops = jobs_operations(app->jobs);
	memcpy(f->id, r->id, ID_SIZE);
	f->sequence = last_event(r);
	f->text = (struct buf)BUF_INIT(EVENT_MAX);
	reply_streamed(reply, 200, "text/event-stream",
		&(struct reply_stream){
			.read = follower_read, .close = follower_close, .ctx = f, .len = -1});
	reply_header(reply, "X-Accel-Buffering", "no");
	reply_header(reply, "Cache-Control", "no-store");
	return 0;
}
