#include "jobs/scheduler.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/patrol.h"
#include "store/runs.h"

static const int64_t SECOND_NS = 1000000000;

/* How long it sleeps at most, since the clock may be set; and before it tries again. */
enum { NAP_MS = 10000, RETRY_SECONDS = 60, WAIT_MS = 1000 };

struct scheduler {
	struct scheduler_options options;
	struct schedule schedule;
	char *text; /* the schedule's; NULL: none */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopping;
	struct runs runs;
	struct err told; /* why it could not start, that was logged last */
	int64_t retry_mono_ns;
	int64_t scrub_mono_ns; /* when the next slice is due */
};

static bool
stopping(struct scheduler *s)
{
	LOCKED(&s->mutex);

	return s->stopping;
}

static void
nap(struct scheduler *s, int64_t ms)
{
	const int64_t until_ns = clock_mono_ns() + ms * 1000000;
	const struct timespec until = {until_ns / SECOND_NS, until_ns % SECOND_NS};
	LOCKED(&s->mutex);

	if (!s->stopping)
		(void)pthread_cond_timedwait(&s->changed, &s->mutex, &until);
}

/* The next time behind ${now_ns}, with its jitter. */
static int64_t
next_time(const struct schedule *s, int64_t now_ns)
{
	const int64_t at_s = schedule_next(s, now_ns / SECOND_NS);
	uint64_t random;

	random_bytes(&random, sizeof(random));
	return (at_s + (int64_t)(random % (uint64_t)(s->jitter_s + 1))) * SECOND_NS;
}

static struct runs
runs_now(struct scheduler *s)
{
	LOCKED(&s->mutex);

	return s->runs;
}

static void
runs_put(struct scheduler *s, struct runs runs)
{
	struct err e;

	{
		LOCKED(&s->mutex);
		s->runs = runs;
	}
	if (runs_set(s->options.store, s->text, &runs, &e) != 0)
		log_warn("the schedule's next run could not be recorded: %s", e.text);
}

static void
ended_await(struct scheduler *s, const char *id)
{
	struct err ignored;
	bool ended = false;

	while (!ended && !stopping(s)) {
		json_t *document = NULL;
		if (operations_wait(s->options.operations, id, INT64_MAX, WAIT_MS, &document,
			    &ignored) != 0)
			return;
		ended = operation_ended(document);
		json_decref(document);
	}
}

/* It is due: start it, or see to it that it is tried again. */
static void
run_start(struct scheduler *s)
{
	char id[ID_SIZE] = "";
	struct err e;

	if (s->options.backup(s->options.ctx, id, &e) == 0) {
		const int64_t now_ns = clock_real_ns();
		log_info("the schedule began the backup of operation %s", id);
		s->told.code = ERR_NONE;
		runs_put(s, (struct runs){now_ns, next_time(&s->schedule, now_ns)});
		return;
	}
	if (e.code == ERR_BUSY) {
		ended_await(s, id);
		return;
	}
	if (stopping(s))
		return;
	if (s->told.code != e.code || strcmp(s->told.text, e.text) != 0)
		log_error(
			"the schedule's backup could not be started, and is tried each minute: %s",
			e.text);
	s->told = e;
	s->retry_mono_ns = clock_mono_ns() + RETRY_SECONDS * SECOND_NS;
}

static void
slice_start(struct scheduler *s)
{
	char id[ID_SIZE];
	struct err e;

	if (s->options.scrub(s->options.ctx, id, &e) != 0)
		log_warn("a scrub could not be started: %s", e.text);
	s->scrub_mono_ns += PATROL_SECONDS * SECOND_NS;
}

/* How long until something is due, 0 if it is now. */
static int64_t
left_ms(struct scheduler *s)
{
	const int64_t mono_ns = clock_mono_ns();
	int64_t left_ns = NAP_MS * INT64_C(1000000);

	if (s->options.scrub_days > 0 && s->scrub_mono_ns - mono_ns < left_ns)
		left_ns = s->scrub_mono_ns - mono_ns;
	if (s->text != NULL) {
		int64_t run_ns = runs_now(s).next_ns - clock_real_ns();
		if (run_ns < s->retry_mono_ns - mono_ns)
			run_ns = s->retry_mono_ns - mono_ns;
		left_ns = run_ns < left_ns ? run_ns : left_ns;
	}
	return left_ns <= 0 ? 0 : left_ns / 1000000 + 1;
}

static void *
watch(void *ctx)
{
	struct scheduler *s = ctx;

	while (!stopping(s)) {
		const int64_t ms = left_ms(s);
		if (ms > 0) {
			nap(s, ms);
			continue;
		}
		if (s->options.scrub_days > 0 && s->scrub_mono_ns <= clock_mono_ns())
			slice_start(s);
		if (s->text != NULL && runs_now(s).next_ns <= clock_real_ns() &&
			s->retry_mono_ns <= clock_mono_ns())
			run_start(s);
	}
	return NULL;
}

/* What an earlier run of the service knew; a time that passed since is due now, once. */
static int
runs_load(struct scheduler *s, const json_t *schedule, struct err *e)
{
	if (schedule_parse(schedule, &s->schedule, e) != 0)
		return -1;
	s->text = json_dumps(schedule, JSON_COMPACT | JSON_SORT_KEYS);
	const int known = runs_get(s->options.store, s->text, &s->runs, e);
	if (known < 0)
		return -1;
	if (known == 1 && s->runs.next_ns <= clock_real_ns())
		log_info("a run of the schedule was missed, and is made up");
	if (known == 0)
		runs_put(s, (struct runs){0, next_time(&s->schedule, clock_real_ns())});
	return 0;
}

static void
scheduler_free(struct scheduler *s)
{
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s->text);
	free(s);
}

int
scheduler_open(
	const struct scheduler_options *options, struct scheduler **ret_scheduler, struct err *e)
{
	pthread_condattr_t attr;

	*ret_scheduler = NULL;
	if (options->schedule == NULL && options->scrub_days == 0)
		return 0;
	struct scheduler *s = mem_new(sizeof(*s));
	s->options = *options;
	s->options.schedule = NULL;
	s->scrub_mono_ns = s->retry_mono_ns = clock_mono_ns();
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	int result = options->schedule == NULL ? 0 : runs_load(s, options->schedule, e);
	if (result == 0 && pthread_create(&s->thread, NULL, watch, s) != 0)
		result = err_set(e, ERR_INTERNAL, "no thread could be started");
	if (result != 0) {
		scheduler_free(s);
		return -1;
	}
	*ret_scheduler = s;
	return 0;
}

void
scheduler_stop(struct scheduler *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->mutex);
	const bool join = !s->stopping;
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->mutex);
	if (join)
		(void)pthread_join(s->thread, NULL);
}

void
scheduler_close(struct scheduler *s)
{
	if (s != NULL)
		scheduler_free(s);
}

bool
scheduler_runs(struct scheduler *s, struct runs *ret_runs)
{
	if (s == NULL || s->text == NULL)
		return false;
	*ret_runs = runs_now(s);
	return true;
}

json_t *
scheduler_json(struct scheduler *s)
{
	char last[CLOCK_TEXT_SIZE], next[CLOCK_TEXT_SIZE];

	if (s == NULL || s->text == NULL)
		return json_null();
	const struct runs runs = runs_now(s);
	return json_pack("{s:o, s:s}", "last_at",
		runs.last_ns == 0 ? json_null() : json_string(clock_text(runs.last_ns, last)),
		"next_at", clock_text(runs.next_ns, next));
}
