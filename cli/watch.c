#include "cli/watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/paint.h"

enum {
	LINE_MS = 10 * 1000,
	BAR_MAX = 40,
	BAR_MIN = 10,
	TEXT_WIDTH = 62,
	TRIES = 30,
	LINE_SIZE = 256
};

const char *
watch_size(int64_t bytes, char text[SIZE_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, SIZE_TEXT, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value,
		units[unit]);
	return text;
}

static int
terminal_columns(void)
{
	struct winsize size = {0};

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static int
bar_width(int columns)
{
	const int width = columns - TEXT_WIDTH;

	return width > BAR_MAX ? BAR_MAX : width < BAR_MIN ? BAR_MIN : width;
}

static void
show_bar(struct meter *m, int64_t done, int64_t total, int64_t rate)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], r[SIZE_TEXT], left[SIZE_TEXT] = "", bar[BAR_MAX + 1];
	char line[LINE_SIZE];
	const int columns = terminal_columns();
	const int width = bar_width(columns);
	const double part = total <= 0 ? 0 : done >= total ? 1 : (double)done / (double)total;
	const int full = (int)(part * width);

	if (rate > 0 && total > done)
		(void)snprintf(left, sizeof(left), " %lld s",
			(long long)((total - done + rate - 1) / rate));
	for (int i = 0; i < width; i++)
		bar[i] = i < full ? '#' : '.';
	(void)snprintf(line, sizeof(line), "%-8.8s [%.*s] %s of %s, %s/s%s", m->label, width, bar,
		watch_size(done, a), watch_size(total > done ? total : done, b),
		watch_size(rate, r), left);
	/* Never into the last column: a line that wraps cannot be taken back. */
	(void)fputs("\r\033[K", stdout);
	say("%.*s", columns - 1, line);
	m->open = true;
}

static void
show_line(const struct meter *m, int64_t done, int64_t total)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];

	/* The total is an estimate: where it was too low it is no more of use. */
	if (total <= 0 && done <= 0)
		say("%s\n", m->label);
	else if (done > total)
		say("%s: %s\n", m->label, watch_size(done, a));
	else
		say("%s: %s of %s\n", m->label, watch_size(done, a), watch_size(total, b));
}

void
meter_show(struct meter *m, const char *label, int64_t done, int64_t total, int64_t rate)
{
	const bool changed = strcmp(m->label, label) != 0;

	if (m->quiet)
		return;

	if (isatty(STDOUT_FILENO)) {
		(void)snprintf(m->label, sizeof(m->label), "%s", label);
		show_bar(m, done, total, rate);
	} else if (changed || clock_since_ms(m->told_ns) >= LINE_MS) {
		(void)snprintf(m->label, sizeof(m->label), "%s", label);
		show_line(m, done, total);
		m->told_ns = clock_mono_ns();
	}
	(void)fflush(stdout);
}

void
meter_end(struct meter *m)
{
	if (m->open)
		(void)fputs("\r\033[K", stdout); /* an order of our own */
	m->open = false;
	(void)fflush(stdout);
}

/* The events of the operation, fed by the connection. */
struct feed {
	struct meter meter;
	struct buf rest;
	json_t *last;
};

static int64_t
watch_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void
take_event(struct feed *f, const char *text, size_t len)
{
	const char *data = memmem(text, len, "data: ", 6);
	json_t *document;

	if (data == NULL)
		return;
	document =
		json_loadb(data + 6, len - (size_t)(data + 6 - text), JSON_DISABLE_EOF_CHECK, NULL);
	if (document == NULL)
		return;
	json_decref(f->last);
	f->last = document;
	meter_show(&f->meter, client_text(document, "phase"), watch_number(document, "bytes_done"),
		watch_number(document, "bytes_total"), watch_number(document, "bytes_per_second"));
}

static int
on_events(void *ctx, const void *data, size_t len, struct err *e)
{
	struct feed *f = ctx;
	const char *end;

	if (buf_add(&f->rest, data, len) != 0)
		return err_set(e, ERR_TOO_LARGE, "an event is too large");
	while ((end = memmem(f->rest.data, f->rest.len, "\n\n", 2)) != NULL) {
		const size_t taken = (size_t)(end - f->rest.data) + 2;

		take_event(f, f->rest.data, taken);
		buf_drop_front(&f->rest, taken);
	}
	return 0;
}

static bool
watch_ended(const json_t *document)
{
	return document != NULL && !json_is_null(json_object_get(document, "ended_at"));
}

/* Ctrl-C: 0 to wait on, which is also what follows a cancellation. */
static int
interrupted(struct client *c, const char *id, struct feed *f, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("/operations/%s", id);
	char answer[16] = "d";

	meter_end(&f->meter);
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
		(void)fprintf(stderr,
			"\nCancel it (c), leave it running and detach (d), or wait on (w)? ");
		if (fgets(answer, sizeof(answer), stdin) == NULL)
			answer[0] = 'd';
	}
	if ((answer[0] | 32) == 'd')
		return err_set(e, ERR_CANCELLED,
			"Detached; it goes on in the service: dockerctl watch %s", id);
	interrupt_clear();
	return (answer[0] | 32) == 'c' ? client_call(c, "DELETE", path, NULL, NULL, e) : 0;
}

/* A connection that breaks is made again; the operation does not care. */
static int
watch_follow(struct client *c, const char *id, struct feed *f, struct err *e)
{
	SCOPED(free_at) char *events = mem_format("/operations/%s/events", id);
	SCOPED(free_at) char *path = mem_format("/operations/%s", id);
	const struct sink sink = {.write = on_events, .ctx = f};
	const struct http_request request = {.method = "GET",
		.path = events,
		.sink = &sink,
		.cancelled = interrupt_seen,
		.stall_ms = -1};

	for (int i = 0; i < TRIES; i++) {
		SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
		json_t *document = NULL;

		buf_clear(&f->rest);
		(void)http_call(client_http(c), &request, &reply, e);
		if (watch_ended(f->last))
			return 0;
		if (interrupt_seen(NULL)) {
			if (interrupted(c, id, f, e) != 0)
				return -1;
			i = 0;
			continue;
		}
		if (client_call(c, "GET", path, NULL, &document, e) == 0) {
			json_decref(f->last);
			f->last = document;
			if (watch_ended(document))
				return 0;
		} else if (e->code == ERR_NOT_FOUND || e->code == ERR_DENIED) {
			return -1;
		}
		(void)sleep(1);
	}
	return err_set(e, ERR_UNREACHABLE, "the service does not answer any more");
}

int
watch_operation(struct client *c, const json_t *operation, json_t **ret_document, struct err *e)
{
	struct feed f = {.rest = BUF_INIT(4 * 1024 * 1024), .meter.quiet = client_quiet(c)};
	const json_t *error;
	int status;

	interrupt_hold();
	status = watch_follow(c, client_text(operation, "id"), &f, e);
	interrupt_release();
	error = json_object_get(f.last, "error");
	meter_end(&f.meter);
	buf_free(&f.rest);
	if (status == 0 && strcmp(client_text(f.last, "state"), "succeeded") != 0)
		status = err_set(e, ERR_ENGINE, "%s: %s",
			error == NULL || json_is_null(error) ? client_text(f.last, "state")
							     : client_text(error, "title"),
			client_text(error, "detail"));
	*ret_document = f.last;
	return status;
}

void
watch_json(const json_t *json)
{
	paint_json(stdout, json);
}

int
watch_work(struct client *c, const struct arguments *a, const struct work *w, json_t **ret_document,
	struct err *e)
{
	SCOPED(json_decref_at) json_t *operation = NULL;

	*ret_document = NULL;
	if (client_call(c, "POST", w->path, w->body, &operation, e) != 0)
		return -1;
	if (a->no_wait && a->json) {
		watch_json(operation);
		return 0;
	}
	if (a->no_wait) {
		say("%s started. Follow it at %s/operations/%s\n", w->what, client_url(c),
			client_text(operation, "id"));
		return 0;
	}
	if (watch_operation(c, operation, ret_document, e) == 0)
		return 0;
	if (a->json && *ret_document != NULL)
		watch_json(*ret_document);
	return e->code == ERR_CANCELLED ? -1 : err_prefix(e, "%s failed", w->what);
}

void
watch_omitted(const json_t *backup)
{
	const json_t *list = json_object_get(backup, "omitted"), *one;
	const json_int_t total = json_integer_value(json_object_get(backup, "omitted_total"));
	size_t i;

	json_array_foreach (list, i, one) {
		const char *advice = client_text(one, "advice");
		SCOPED(free_at)
		char *text = mem_format("%s %s: %s%s%s%s", client_text(one, "kind"),
			client_text(one, "name"), client_text(one, "reason"),
			advice[0] == '\0' ? "" : " (", advice, advice[0] == '\0' ? "" : ")");

		paint(stderr, PAINT_WARNING, 0, "left out:");
		(void)putc(' ', stderr);
		paint(stderr, PAINT_NONE, 0, text);
		(void)putc('\n', stderr);
	}
	if (total > (json_int_t)json_array_size(list))
		(void)fprintf(stderr, "and %lld more\n",
			(long long)(total - (json_int_t)json_array_size(list)));
}

void
watch_warnings(const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (warnings, i, warning) {
		paint(stderr, PAINT_WARNING, 0, "warning:");
		(void)putc(' ', stderr);
		paint(stderr, PAINT_NONE, 0, json_string_value(warning));
		(void)putc('\n', stderr);
	}
}
