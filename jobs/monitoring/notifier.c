#include "jobs/monitoring/notifier.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/operations/host_facts.h"
#include "jobs/operations/inspect.h"

/* OMITTED_TOLD: the message is for a chat; the record names them all. */
enum { LOOK_SECONDS = 60, OMITTED_TOLD = 5, REMOVED_TOLD = 10, SUMMARY_MAX = 16 * 1024 };

static const int64_t SECOND_NS = 1000000000;
static const char *const events[] = {"success", "partial", "failure", "damaged", "overdue"};
enum event { SUCCESS, PARTIAL, FAILURE, DAMAGED, OVERDUE, EVENTS };

struct notifier {
	struct notifier_options options;
	bool wanted[EVENTS];
	struct notify *notify; /* NULL: nobody is told */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool threaded, stopping, overdue;
	int64_t since_mono_ns; /* when it began */
};

static int
parse_events(struct notifier *h, const char *text, struct err *e)
{
	SCOPED(free_at) char *copy = mem_string(text == NULL ? "" : text);
	char *rest = NULL;

	for (char *one = strtok_r(copy, ", ", &rest); one != NULL;
		one = strtok_r(NULL, ", ", &rest)) {
		int i = 0;
		while (i < EVENTS && strcmp(events[i], one) != 0)
			i++;
		if (i == EVENTS)
			return err_set(e, ERR_INVALID,
				"FUEL_BACKUP_NOTIFY_ON: \"%.50s\" is none of success, partial, "
				"failure, damaged, overdue",
				one);
		h->wanted[i] = true;
	}
	return 0;
}

int
notifier_open(const struct notifier_options *options, struct notifier **ret_herald, struct err *e)
{
	struct notifier *h = mem_new(sizeof(*h));
	pthread_condattr_t attr;

	h->options = *options;
	h->since_mono_ns = clock_mono_ns();
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&h->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (parse_events(h, options->on, e) != 0 ||
		(options->url != NULL && notify_open(options->url, &h->notify, e) != 0)) {
		notifier_close(h);
		return -1;
	}
	*ret_herald = h;
	return 0;
}

static void
notifier_tell(struct notifier *h, enum event event, const char *summary, const json_t *document)
{
	SCOPED(json_decref_at) json_t *message = NULL;
	char host[HOST_NAME_SIZE], now[CLOCK_TEXT_SIZE];

	if (h->notify == NULL || !h->wanted[event])
		return;
	if (host_facts_name(h->options.facts, host)[0] ==
		'\0') /* the engine has not answered yet */
		(void)gethostname(host, sizeof(host) - 1);
	if (h->options.text)
		message = json_pack(
			"{s:o}", "text", json_sprintf("fuel-backup on %s: %s", host, summary));
	else
		message = json_pack("{s:s, s:s, s:s, s:s, s:O?}", "event", events[event], "time",
			clock_text(clock_real_ns(), now), "host", host, "summary", summary,
			"operation", document);
	char *body = message == NULL ? NULL : json_dumps(message, JSON_COMPACT);
	if (body != NULL)
		notify_send(h->notify, body);
}

/* A backup that left something out tells of the first few. */
static char *
tell_omitted(const char *summary, const json_t *result)
{
	struct buf text = BUF_INIT(SUMMARY_MAX);
	const json_t *one;
	size_t i;

	(void)buf_format(&text, "%s: partial, %lld left out", summary,
		(long long)json_integer_value(json_object_get(result, "omitted_total")));
	json_array_foreach (json_object_get(result, "omitted"), i, one) {
		if (i == OMITTED_TOLD)
			break;
		(void)buf_format(&text, "; %s %s: %s", json_text(one, "kind", NULL),
			json_text(one, "name", NULL), json_text(one, "reason", NULL));
	}
	return buf_take(&text);
}

static bool
is_partial(const json_t *result)
{
	return strcmp(json_text(result, "state", NULL), "partial") == 0;
}

/* What is told of an operation in one line, with what the plan's retention removed after it. */
static char *
summarize(const json_t *document)
{
	const json_t *removed = json_object_get(json_object_get(document, "result"), "removed");
	const bool dry = json_is_true(json_object_get(document, "dry_run"));
	struct buf text = BUF_INIT(SUMMARY_MAX);
	const json_t *one;
	size_t i;

	(void)buf_format(&text, "%s%s %s (operation %s)", dry ? "dry run of a " : "",
		json_text(document, "kind", NULL), json_text(document, "state", NULL),
		json_text(document, "id", NULL));
	if (json_text(document, "error", "type")[0] != '\0')
		(void)buf_format(&text, ": %s", json_text(document, "error", "detail"));
	json_array_foreach (removed, i, one) {
		if (i == REMOVED_TOLD)
			break;
		(void)buf_format(&text, "%s%s of %s", i == 0 ? "; retention removed " : ", ",
			json_text(one, "id", NULL), json_text(one, "created_at", NULL));
	}
	if (json_array_size(removed) > REMOVED_TOLD)
		(void)buf_format(
			&text, " and %zu more", json_array_size(removed) - (size_t)REMOVED_TOLD);
	return buf_take(&text);
}

/* Damage is told once, as damage, and not as a failure besides. */
void
notifier_ended(struct notifier *h, const json_t *document)
{
	const char *kind = json_text(document, "kind", NULL);
	const char *state = json_text(document, "state", NULL);
	const char *type = json_text(document, "error", "type");
	const json_t *result = json_object_get(document, "result");
	SCOPED(free_at) char *summary = summarize(document);
	const bool damaged = strcmp(type, "urn:fuel-backup:corrupt") == 0 ||
			     json_integer_value(json_object_get(result, "chunks_damaged")) > 0;

	if (damaged)
		notifier_tell(h, DAMAGED, summary, document);
	else if (strcmp(state, "failed") == 0)
		notifier_tell(h, FAILURE, summary, document);
	else if (is_partial(result)) {
		SCOPED(free_at) char *text = tell_omitted(summary, result);

		notifier_tell(h, PARTIAL, text, document);
	} else if (strcmp(state, "succeeded") == 0 && strcmp(kind, "sweep") != 0 &&
		   strcmp(kind, "scrub") != 0)
		notifier_tell(h, SUCCESS, summary, document);
}

bool
notifier_overdue_why(const struct notifier_options *o, const struct figures *f, int64_t now_ns,
	int64_t runs_ns, char summary[256])
{
	const int64_t success_ns = f->plans[0].success_ns;
	const bool known = success_ns != 0 && success_ns <= now_ns;
	const int64_t without_ns = known ? now_ns - success_ns : runs_ns;

	if (o->overdue_hours > 0 && without_ns > o->overdue_hours * 3600 * SECOND_NS) {
		(void)snprintf(summary, 256,
			"overdue: no backup of the default plan has succeeded for %lld hours",
			(long long)(without_ns / SECOND_NS / 3600));
		return true;
	}
	if (f->schedule_next_ns == 0 ||
		now_ns - f->schedule_next_ns < NOTIFIER_GRACE_SECONDS * SECOND_NS)
		return false;
	(void)snprintf(summary, 256,
		"overdue: the schedule's backup could not be begun for %lld minutes",
		(long long)((now_ns - f->schedule_next_ns) / SECOND_NS / 60));
	return true;
}

static void
notifier_look(struct notifier *h)
{
	struct figures f;
	char summary[256];
	struct err e;

	if (h->options.figures(h->options.jobs, &f, &e) != 0) {
		log_warn("whether a backup is overdue is not known: %s", e.text);
		return;
	}
	const bool overdue = notifier_overdue_why(
		&h->options, &f, clock_real_ns(), clock_mono_ns() - h->since_mono_ns, summary);
	(void)pthread_mutex_lock(&h->mutex);
	const bool before = h->overdue;
	h->overdue = overdue;
	(void)pthread_mutex_unlock(&h->mutex);
	if (!overdue || before)
		return;
	log_warn("%s", summary);
	notifier_tell(h, OVERDUE, summary, NULL);
}

/* An engine that hangs does not hold up the end of the service. */
static bool
is_stopping(void *ctx)
{
	struct notifier *h = ctx;
	LOCKED(&h->mutex);

	return h->stopping;
}

static void *
notifier_watch(void *ctx)
{
	struct notifier *h = ctx;
	LOCKED(&h->mutex);

	engine_give_up(is_stopping, h);
	while (!h->stopping) {
		const int64_t until_ns = clock_mono_ns() + LOOK_SECONDS * SECOND_NS;
		const struct timespec until = {until_ns / SECOND_NS, until_ns % SECOND_NS};
		struct err ignored; /* the engine may be away */

		(void)pthread_mutex_unlock(&h->mutex);
		(void)host_facts_ask(h->options.facts, h->options.engine, &ignored);
		notifier_look(h);
		(void)pthread_mutex_lock(&h->mutex);
		while (!h->stopping && clock_mono_ns() < until_ns)
			(void)pthread_cond_timedwait(&h->changed, &h->mutex, &until);
	}
	return NULL;
}

void
notifier_begin(struct notifier *h)
{
	h->threaded = pthread_create(&h->thread, NULL, notifier_watch, h) == 0;
	if (!h->threaded)
		log_error("no thread could be started: nobody is told of what is overdue");
}

void
notifier_stop(struct notifier *h)
{
	if (h == NULL || !h->threaded)
		return;
	(void)pthread_mutex_lock(&h->mutex);
	h->stopping = true;
	(void)pthread_cond_broadcast(&h->changed);
	(void)pthread_mutex_unlock(&h->mutex);
	(void)pthread_join(h->thread, NULL);
	h->threaded = false;
}

void
notifier_close(struct notifier *h)
{
	if (h == NULL)
		return;
	notifier_stop(h);
	notify_close(h->notify);
	(void)pthread_cond_destroy(&h->changed);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h);
}

bool
notifier_overdue(struct notifier *h)
{
	LOCKED(&h->mutex);

	return h->overdue;
}

struct notify_counts
notifier_counts(struct notifier *h)
{
	return notify_counts(h->notify);
}
