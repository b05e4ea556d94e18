#include "jobs/freeze.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/inspect.h"
#include "jobs/note.h"

/* How long the end of a freeze waits for an engine that went away; afterwards the guard, the next
 * backup and the next start still thaw. */
static const int64_t CLOSE_MS = 60 * 1000;

/* Between two tries to thaw. */
static const useconds_t RETRY_US = 100 * 1000;
static const useconds_t LATE_US = 1000 * 1000;

static const char journal_name[] = "frozen.json";

struct freeze {
	struct frozen_set set;
	const struct freezer *freezer;
	int run_fd;
	int64_t max_ms;
	int64_t begin_ns;
	int64_t end_ns;
	bool done;

	pthread_t timer;
	bool timed; /* the timer is to be joined */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool over; /* the timer need not wait any longer */
};

static bool
watches(const json_t *inspect)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(inspect, "Mounts"), i, mount) {
		const char *path = json_text(mount, "Source", NULL);
		const size_t len = strlen(path);

		if (len >= 12 && strcmp(path + len - 12, "/docker.sock") == 0)
			return true;
	}
	return false;
}

static void
select_items(struct freeze *f, const struct freeze_options *options)
{
	struct frozen_set *s = &f->set;
	const json_t *inspect;
	size_t i;

	s->items = mem_array(NULL, json_array_size(options->containers), sizeof(*s->items));
	json_array_foreach (options->containers, i, inspect) {
		const char *id = json_text(inspect, "Id", NULL);

		if (!json_truth(inspect, "State", "Running") ||
			json_truth(inspect, "State", "Paused") ||
			(options->never != NULL && strcmp(id, options->never) == 0))
			continue;
		s->items[s->count++] = (struct frozen){.id = mem_string(id),
			.name = mem_string(container_name(inspect)),
			.watcher = watches(inspect)};
	}
}

static int
first_error(struct frozen_set *s, struct err *e)
{
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].error.code != ERR_NONE) {
			*e = s->items[i].error;
			return -1;
		}
	return 0;
}

static int
journal_write(const struct freeze *f, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();

	for (size_t i = 0; i < f->set.count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "id", f->set.items[i].id, "name",
				      f->set.items[i].name, "freezer", f->freezer->name));
	return note_write(f->run_fd, journal_name, list, e);
}

static int
tell_guard(const struct frozen_set *s, struct err *e)
{
	SCOPED(free_at) const char **ids = mem_array(NULL, s->count, sizeof(char *));

	for (size_t i = 0; i < s->count; i++)
		ids[i] = s->items[i].id;
	return lender_guard(s->lender, ids, s->count, e);
}

static int
time_is_up(const struct freeze *f, struct err *e)
{
	return err_set(e, ERR_TIMEOUT,
		"the containers would have stood still for more than %lld ms, so they were thawed: "
		"too much changes between two passes; try when there is less load, or raise "
		"FUEL_BACKUP_MAX_FREEZE_MS",
		(long long)f->max_ms);
}

/* Invariant 4. */
static void *
watch_time(void *ctx)
{
	struct freeze *f = ctx;
	const int64_t until_ns = f->begin_ns + f->max_ms * 1000000;
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
	int waited = 0;

	(void)pthread_mutex_lock(&f->mutex);
	while (!f->over && waited == 0)
		waited = pthread_cond_timedwait(&f->changed, &f->mutex, &until);
	const bool up = !f->over;
	(void)pthread_mutex_unlock(&f->mutex);
	if (up) {
		atomic_store(&f->set.expired, true);
		f->freezer->release(&f->set);
	}
	return NULL;
}

static int
start_timer(struct freeze *f, struct err *e)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	f->begin_ns = clock_mono_ns();
	f->timed = pthread_create(&f->timer, NULL, watch_time, f) == 0;
	return f->timed ? 0 : err_set(e, ERR_INTERNAL, "no thread could be started");
}

static void
stop_timer(struct freeze *f)
{
	if (!f->timed)
		return;
	(void)pthread_mutex_lock(&f->mutex);
	f->over = true;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->mutex);
	(void)pthread_join(f->timer, NULL);
	f->timed = false;
	(void)pthread_mutex_destroy(&f->mutex);
	(void)pthread_cond_destroy(&f->changed);
}

static int
begin(struct freeze *f, struct err *e)
{
	if (f->set.count == 0) {
		f->begin_ns = clock_mono_ns();
		return 0;
	}
	if (journal_write(f, e) != 0 || tell_guard(&f->set, e) != 0 ||
		f->freezer->prepare(&f->set, e) != 0 || start_timer(f, e) != 0)
		return -1;
	f->freezer->hold(&f->set);
	return first_error(&f->set, e) != 0 ? -1 : freeze_check(f, e);
}

int
freeze_begin(const struct freeze_options *options, struct freeze **ret_freeze, struct err *e)
{
	SCOPED(freeze_close_at) struct freeze *f = mem_new(sizeof(*f));

	f->set.engine = options->engine;
	f->set.lender = options->guard;
	f->set.run_path = options->run_path;
	(void)pthread_mutex_init(&f->set.help, NULL);
	(void)pthread_mutex_init(&f->set.mutex, NULL);
	f->freezer = options->freezer;
	f->run_fd = options->run_fd;
	f->max_ms = options->max_ms;
	select_items(f, options);
	if (begin(f, e) != 0)
		return -1;
	*ret_freeze = TAKE(f);
	return 0;
}

static void
clear_errors(struct frozen_set *s)
{
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++)
		s->items[i].error.code = ERR_NONE;
}

static int64_t
last_thaw(struct frozen_set *s)
{
	int64_t last_ns = 0;
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].thawed_ns > last_ns)
			last_ns = s->items[i].thawed_ns;
	return last_ns == 0 ? clock_mono_ns() : last_ns;
}

int
freeze_thaw(struct freeze *f, struct err *e)
{
	if (f->done)
		return freeze_check(f, e);
	clear_errors(&f->set);
	f->freezer->release(&f->set);
	f->end_ns = last_thaw(&f->set);
	stop_timer(f);
	if (first_error(&f->set, e) != 0)
		return -1;
	f->done = true;
	if (f->set.count == 0)
		return 0;
	/* A guard that died meanwhile has thawed already: nothing is lost by it. */
	(void)lender_guard(f->set.lender, NULL, 0, e);
	return note_remove(f->run_fd, journal_name, e) != 0 ? -1 : freeze_check(f, e);
}

static void
set_clear(struct frozen_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].id);
		free(s->items[i].name);
	}
	free(s->items);
	lender_close(s->spare);
	(void)pthread_mutex_destroy(&s->help);
	(void)pthread_mutex_destroy(&s->mutex);
}

void
freeze_close(struct freeze *f)
{
	const int64_t since_ns = clock_mono_ns();
	struct err ignored;

	if (f == NULL)
		return;
	while (freeze_thaw(f, &ignored) != 0 && !f->done && clock_since_ms(since_ns) < CLOSE_MS)
		(void)usleep(RETRY_US);
	stop_timer(f);
	set_clear(&f->set);
	free(f);
}

void
freeze_close_at(struct freeze **f)
{
	freeze_close(*f);
}

int64_t
freeze_window_ms(const struct freeze *f)
{
	return f->end_ns == 0 ? -1 : (f->end_ns - f->begin_ns) / 1000000;
}

int
freeze_check(const struct freeze *f, struct err *e)
{
	return atomic_load(&f->set.expired) ? time_is_up(f, e) : 0;
}

json_t *
freeze_windows(const struct freeze *f)
{
	json_t *windows = json_object();

	for (size_t i = 0; i < f->set.count; i++) {
		const struct frozen *item = &f->set.items[i];

		if (item->hold == HOLD_THAWED)
			(void)json_object_set_new(windows, item->name,
				json_integer((item->thawed_ns - item->frozen_ns) / 1000000));
	}
	return windows;
}

bool
freeze_holds(const struct freeze *f, const char *id)
{
	for (size_t i = 0; i < f->set.count; i++)
		if (strcmp(f->set.items[i].id, id) == 0)
			return f->set.items[i].hold != HOLD_NONE;
	return false;
}

int
freeze_mark(const struct freeze *f, struct err *e)
{
	const struct frozen_set *s = &f->set;

	if (f->freezer == &freezer_docker)
		return 0;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].hold == HOLD_THAWED &&
			containers_top(s->engine, s->items[i].id, e) == 0)
			return 0;
	return err_set(e, ERR_CHANGED,
		"none of the frozen containers runs any more: start the backup again");
}

const char *
freeze_event(const struct freeze *f)
{
	return f->freezer == &freezer_docker ? "unpause" : "top";
}

static int
recover_items(struct frozen_set *s, const struct freezer *freezer, struct err *e)
{
	if (freezer == &freezer_cgroup &&
		(frozen_lender(s, LENDER_FREEZES, &s->lender, e) != 0 || tell_guard(s, e) != 0))
		return -1;
	freezer->release(s);
	return first_error(s, e);
}

static const struct freezer *
recover_select(struct frozen_set *s, const json_t *list)
{
	const struct freezer *freezer = &freezer_docker;
	const json_t *item;
	size_t i;

	s->items = mem_array(NULL, json_array_size(list), sizeof(*s->items));
	json_array_foreach (list, i, item) {
		if (strcmp(json_text(item, "freezer", NULL), freezer_cgroup.name) == 0)
			freezer = &freezer_cgroup;
		s->items[s->count++] =
			(struct frozen){.id = mem_string(json_text(item, "id", NULL)),
				.name = mem_string(json_text(item, "name", NULL)),
				.hold = HOLD_FROZEN};
	}
	return freezer;
}

/* Pauses that were asked for before the death, and are carried out only now. */
static int
recover_late(struct frozen_set *s, struct err *e)
{
	(void)usleep(LATE_US);
	for (size_t i = 0; i < s->count; i++)
		s->items[i].hold = HOLD_FROZEN;
	freezer_docker.release(s);
	return first_error(s, e);
}

static int
recover_list(struct engine *g, const json_t *list, const char *run_path, struct err *e)
{
	struct frozen_set s = {.engine = g,
		.run_path = run_path,
		.help = PTHREAD_MUTEX_INITIALIZER,
		.mutex = PTHREAD_MUTEX_INITIALIZER};
	const struct freezer *freezer = recover_select(&s, list);
	struct err ignored;
	int status = recover_items(&s, freezer, e);

	if (status == 0 && freezer == &freezer_docker)
		status = recover_late(&s, e);
	if (s.lender != NULL && status == 0)
		(void)lender_guard(s.lender, NULL, 0, &ignored);
	lender_close(s.lender);
	set_clear(&s);
	return status;
}

int
freeze_recover(
	struct engine *g, int run_fd, const char *run_path, json_t **ret_thawed, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = note_read(run_fd, journal_name);
	SCOPED(json_decref_at) json_t *names = json_array();
	const json_t *item;
	size_t i;

	if (json_array_size(list) > 0 && recover_list(g, list, run_path, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		(void)json_array_append(names, json_object_get(item, "name"));
	}
	if (note_remove(run_fd, journal_name, e) != 0)
		return -1;
	if (ret_thawed != NULL)
		*ret_thawed = TAKE(names);
	return 0;
}
