#include "jobs/scheduler.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/maintenance/scrub_job.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "store/catalogue/runs.h"

static const int64_t SECOND_NS = 1000000000;

/* How long it sleeps at most, since the clock may be set; and before it tries again. */
enum { NAP_MS = 10000, RETRY_SECONDS = 60, WAIT_MS = 1000 };

/* One schedule, and how what it begins is called, begun and remembered. */
struct timetable {
	const char *what;
	bool waits; /* for the operation in its way; else it tries again */
	scheduler_begin *begin;
	int (*get)(struct store *s, const char *text, struct runs *ret_runs, struct err *e);
	int (*set)(struct store *s, const char *text, const struct runs *runs, struct err *e);
	struct schedule schedule;
	char *text; /* the schedule's; NULL: none */
	struct runs runs;
	struct err told; /* why it could not start, that was logged last */
	int64_t retry_mono_ns;
};

struct scheduler {
	struct scheduler_options options;
	struct timetable tables[SCHEDULES];
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopping;
	int64_t scrub_mono_ns; /* when the next slice is due */
};

static bool
stopping(struct scheduler *s)
{
	LOCKED(&s->mutex);

	return s->stopping;
}

static void
scheduler_nap(struct scheduler *s, int64_t ms)
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
runs_now(struct scheduler *s, const struct timetable *t)
{
	LOCKED(&s->mutex);

	return t->runs;
}

static void
runs_put(struct scheduler *s, struct timetable *t, struct runs runs)
{
	struct err e;

	{
		LOCKED(&s->mutex);
		t->runs = runs;
	}
	if (t->set(s->options.store, t->text, &runs, &e) != 0)
		log_warn("the schedule's next %s could not be recorded: %s", t->what, e.text);
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
run_start(struct scheduler *s, struct timetable *t)
{
	char id[ID_SIZE] = "";
	struct err e;

	if (t->begin(s->options.ctx, id, &e) == 0) {
		const int64_t now_ns = clock_real_ns();
		log_info("the schedule began the %s of operation %s", t->what, id);
		t->told.code = ERR_NONE;
		runs_put(s, t, (struct runs){now_ns, next_time(&t->schedule, now_ns)});
		return;
	}
	if (e.code == ERR_BUSY && t->waits) {
		ended_await(s, id);
		return;
	}
	if (stopping(s))
		return;
	if (e.code != ERR_BUSY && (t->told.code != e.code || strcmp(t->told.text, e.text) != 0))
		log_error("the schedule's %s could not be started, and is tried each minute: %s",
			t->what, e.text);
	t->told = e;
	t->retry_mono_ns = clock_mono_ns() + RETRY_SECONDS * SECOND_NS;
}

static void
slice_start(struct scheduler *s)
{
	char id[ID_SIZE];
	struct err e;

	if (s->options.scrub(s->options.ctx, id, &e) != 0)
		log_warn("a scrub could not be started: %s", e.text);
	s->scrub_mono_ns += SCRUB_JOB_SECONDS * SECOND_NS;
}

/* A next time that was noted while the clock was ahead is none: wait for the one that comes. */
static void
clock_check(struct scheduler *s, struct timetable *t)
{
	const int64_t now_ns = clock_real_ns();
	struct runs runs = runs_now(s, t);
	char then[CLOCK_TEXT_SIZE], now[CLOCK_TEXT_SIZE];

	if (schedule_plausible(&t->schedule, runs.next_ns / SECOND_NS, now_ns / SECOND_NS))
		return;
	log_warn("the schedule's next %s was noted for %s, and it is %s: the clock was ahead then; "
		 "the schedule goes on from now",
		t->what, clock_text(runs.next_ns, then), clock_text(now_ns, now));
	runs.next_ns = next_time(&t->schedule, now_ns);
	if (runs.last_ns > now_ns)
		runs.last_ns = 0; /* not known */
	runs_put(s, t, runs);
}

/* How long until it is due. */
static int64_t
due_ns(struct scheduler *s, const struct timetable *t)
{
	const int64_t run_ns = runs_now(s, t).next_ns - clock_real_ns();
	const int64_t retry_ns = t->retry_mono_ns - clock_mono_ns();

	return run_ns < retry_ns ? retry_ns : run_ns;
}

/* How long until something is due, 0 if it is now. */
static int64_t
left_ms(struct scheduler *s)
{
	const int64_t mono_ns = clock_mono_ns();
	int64_t left_ns = NAP_MS * INT64_C(1000000);

	if (s->options.scrub_days > 0 && s->scrub_mono_ns - mono_ns < left_ns)
		left_ns = s->scrub_mono_ns - mono_ns;
	for (int i = 0; i < SCHEDULES; i++) {
		const struct timetable *t = &s->tables[i];

		if (t->text != NULL && due_ns(s, t) < left_ns)
			left_ns = due_ns(s, t);
	}
	return left_ns <= 0 ? 0 : left_ns / 1000000 + 1;
}

static void *
scheduler_watch(void *ctx)
{
	struct scheduler *s = ctx;

	while (!stopping(s)) {
		for (int i = 0; i < SCHEDULES; i++)
			if (s->tables[i].text != NULL)
				clock_check(s, &s->tables[i]);
		const int64_t ms = left_ms(s);
		if (ms > 0) {
			scheduler_nap(s, ms);
			continue;
		}
		if (s->options.scrub_days > 0 && s->scrub_mono_ns <= clock_mono_ns())
			slice_start(s);
		for (int i = 0; i < SCHEDULES; i++)
			if (s->tables[i].text != NULL && due_ns(s, &s->tables[i]) <= 0)
				run_start(s, &s->tables[i]);
	}
	return NULL;
}

/* What an earlier run of the service knew; a time that passed since is due now, once. */
static int
runs_load(struct scheduler *s, struct timetable *t, const json_t *schedule, struct err *e)
{
	if (schedule == NULL)
		return 0;
	if (schedule_parse(schedule, &t->schedule, e) != 0)
		return -1;
	t->text = json_dumps(schedule, JSON_COMPACT | JSON_SORT_KEYS);
	t->retry_mono_ns = clock_mono_ns();
	const int known = t->get(s->options.store, t->text, &t->runs, e);
	if (known < 0)
		return -1;
	if (known == 1 && t->runs.next_ns <= clock_real_ns())
		log_info("a %s of the schedule was missed, and is made up", t->what);
	if (known == 1)
		clock_check(s, t);
	if (known == 0)
		runs_put(s, t, (struct runs){0, next_time(&t->schedule, clock_real_ns())});
	return 0;
}

/* ---- the rehearsals' runs: in a note of the run folder, for the catalogue has room for one ----
 */

static const char note_name[] = "rehearsals.json";

static int
scheduler_open_run(struct store *store, struct err *e)
{
	const int fd = openat(store_fd(store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(store)) : fd;
}

static int
rehearsals_get(struct store *store, const char *text, struct runs *ret_runs, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = scheduler_open_run(store, e);
	SCOPED(json_decref_at) json_t *note = run_fd < 0 ? NULL : run_state_read(run_fd, note_name);

	if (run_fd < 0 || strcmp(json_text(note, "schedule", NULL), text) != 0)
		return run_fd < 0 ? -1 : 0;
	*ret_runs = (struct runs){json_integer_value(json_object_get(note, "last_ns")),
		json_integer_value(json_object_get(note, "next_ns"))};
	return 1;
}

static int
rehearsals_set(struct store *store, const char *text, const struct runs *runs, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = scheduler_open_run(store, e);
	SCOPED(json_decref_at)
	json_t *note = json_pack("{s:s, s:I, s:I}", "schedule", text, "last_ns",
		(json_int_t)runs->last_ns, "next_ns", (json_int_t)runs->next_ns);

	return run_fd < 0 ? -1 : run_state_write(run_fd, note_name, note, e);
}

static void
scheduler_free(struct scheduler *s)
{
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->mutex);
	for (int i = 0; i < SCHEDULES; i++)
		free(s->tables[i].text);
	free(s);
}

int
scheduler_open(
	const struct scheduler_options *options, struct scheduler **ret_scheduler, struct err *e)
{
	pthread_condattr_t attr;

	*ret_scheduler = NULL;
	if (options->schedules[SCHEDULE_BACKUP] == NULL &&
		options->schedules[SCHEDULE_REHEARSAL] == NULL && options->scrub_days == 0)
		return 0;
	struct scheduler *s = mem_new(sizeof(*s));
	s->options = *options;
	s->tables[SCHEDULE_BACKUP] = (struct timetable){.what = "backup",
		.waits = true,
		.begin = options->backup,
		.get = runs_get,
		.set = runs_set};
	s->tables[SCHEDULE_REHEARSAL] = (struct timetable){.what = "rehearsal",
		.begin = options->rehearse,
		.get = rehearsals_get,
		.set = rehearsals_set};
	s->scrub_mono_ns = clock_mono_ns();
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	int result = 0;
	for (int i = 0; i < SCHEDULES && result == 0; i++)
		result = runs_load(s, &s->tables[i], options->schedules[i], e);
	if (result == 0 && pthread_create(&s->thread, NULL, scheduler_watch, s) != 0)
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
scheduler_runs(struct scheduler *s, enum scheduler_table table, struct runs *ret_runs)
{
	if (s == NULL || s->tables[table].text == NULL)
		return false;
	*ret_runs = runs_now(s, &s->tables[table]);
	return true;
}

json_t *
scheduler_json(struct scheduler *s, enum scheduler_table table)
{
	char last[CLOCK_TEXT_SIZE], next[CLOCK_TEXT_SIZE];
	struct runs runs;

	if (!scheduler_runs(s, table, &runs))
		return json_null();
	const struct zone *zone = s->tables[table].schedule.zone;
	return json_pack("{s:o, s:s, s:s}", "last_at",
		runs.last_ns == 0 ? json_null() : json_string(clock_text(runs.last_ns, last)),
		"next_at", clock_text(runs.next_ns, next), "timezone",
		zone == NULL ? "UTC" : zone_name(zone));
}
