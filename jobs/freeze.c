#include "jobs/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/inventory.h"

/* Threads of a freeze; more containers than this are taken in turns.  A pause is 13 ms of which
 * most is the engine's. */
enum { THREADS_MAX = 64, TRIES_MAX = 10 };

/* How long the end of a freeze waits for an engine that went away; afterwards the guard, the next
 * backup and the next start still thaw. */
static const int64_t CLOSE_MS = 60 * 1000;

/* Between two tries to pause a restarting or to thaw a stubborn container. */
static const useconds_t RETRY_US = 100 * 1000;

static const char journal_name[] = "frozen.json";

enum hold { HOLD_NONE, HOLD_PAUSED, HOLD_THAWED };

struct frozen {
	char *id;
	char *name;
	bool watcher;
	enum hold hold;
	int64_t paused_ns;
	int64_t thawed_ns;
	struct err error;
};

struct freeze {
	struct engine *engine;
	struct lender *guard;
	int run_fd;
	int64_t max_ms;
	struct frozen *items;
	size_t count;
	int64_t begin_ns;
	int64_t end_ns;
	bool done;
};

/* One step for each item that is (or is not) a watcher, in parallel. */
struct round {
	struct freeze *freeze;
	bool watchers;
	void (*step)(struct freeze *f, struct frozen *item);
	atomic_size_t next;
};

static void *
take_items(void *ctx)
{
	struct round *r = ctx;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->freeze->count)
		if (r->freeze->items[i].watcher == r->watchers)
			r->step(r->freeze, &r->freeze->items[i]);
	return NULL;
}

static void
in_parallel(struct freeze *f, bool watchers, void (*step)(struct freeze *, struct frozen *))
{
	struct round r = {.freeze = f, .watchers = watchers, .step = step};
	const size_t want = f->count < THREADS_MAX ? f->count : THREADS_MAX;
	pthread_t threads[THREADS_MAX];
	size_t started = 0;

	while (started + 1 < want && pthread_create(&threads[started], NULL, take_items, &r) == 0)
		started++;
	(void)take_items(&r); /* this thread too, so that it works with none */
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
}

enum now { NOW_GONE, NOW_RUNS, NOW_PAUSED, NOW_STOPPED, NOW_RESTARTING, NOW_UNKNOWN };

static enum now
look(struct freeze *f, struct frozen *item, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (containers_inspect(f->engine, item->id, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? NOW_GONE : NOW_UNKNOWN;
	if (json_truth(inspect, "State", "Restarting"))
		return NOW_RESTARTING;
	if (json_truth(inspect, "State", "Paused"))
		return NOW_PAUSED;
	return json_truth(inspect, "State", "Running") ? NOW_RUNS : NOW_STOPPED;
}

/* The engine said no; otherwise the answer is lost, and the request may yet be carried out. */
static bool
refused(const struct err *e)
{
	return e->code == ERR_ENGINE || e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND;
}

static void
pause_item(struct freeze *f, struct frozen *item)
{
	struct err e;

	for (int try = 0; try < TRIES_MAX; try++) {
		const int status = containers_pause(f->engine, item->id, &item->error);

		if (status == 0 || !refused(&item->error)) {
			item->hold = HOLD_PAUSED; /* without an answer too: then it is thawed */
			item->paused_ns = clock_mono_ns();
			if (status == 0)
				item->error.code = ERR_NONE;
			return;
		}
		switch (look(f, item, &e)) {
		case NOW_GONE:
			(void)err_set(&item->error, ERR_CHANGED,
				"container %s went away while the backup was made: start "
				"the backup again",
				item->name);
			return;
		case NOW_STOPPED: /* stopped by itself, so its files stand still */
		case NOW_PAUSED:  /* by its owner, just now */
			item->error.code = ERR_NONE;
			return;
		case NOW_RESTARTING:
		case NOW_RUNS:
			break;
		case NOW_UNKNOWN:
			return;
		}
		(void)usleep(RETRY_US);
	}
	(void)err_prefix(&item->error, "container %s could not be frozen", item->name);
}

static void
thaw_item(struct freeze *f, struct frozen *item)
{
	struct err e;

	if (item->hold != HOLD_PAUSED)
		return;
	for (int try = 0; try < TRIES_MAX; try++) {
		enum now now;

		if (try > 0)
			(void)usleep(RETRY_US);
		if (containers_unpause(f->engine, item->id, &item->error) == 0)
			now = NOW_RUNS;
		else
			now = look(f, item, &e);
		if (now == NOW_PAUSED || now == NOW_UNKNOWN)
			continue;
		item->hold = HOLD_THAWED;
		item->thawed_ns = clock_mono_ns();
		item->error.code = ERR_NONE;
		return;
	}
	(void)err_prefix(&item->error, "container %s could not be thawed", item->name);
}

static int
first_error(const struct freeze *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].error.code != ERR_NONE) {
			*e = f->items[i].error;
			return -1;
		}
	return 0;
}

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
	const json_t *inspect;
	size_t i;

	f->items = mem_array(NULL, json_array_size(options->containers), sizeof(*f->items));
	json_array_foreach (options->containers, i, inspect) {
		const char *id = json_text(inspect, "Id", NULL);

		if (!json_truth(inspect, "State", "Running") ||
			json_truth(inspect, "State", "Paused") ||
			(options->never != NULL && strcmp(id, options->never) == 0))
			continue;
		f->items[f->count++] = (struct frozen){.id = mem_string(id),
			.name = mem_string(container_name(inspect)),
			.watcher = watches(inspect)};
	}
}

static int
write_file(int dir, const char *name, const char *text, struct err *e)
{
	static const char temporary[] = "frozen.json.new";
	SCOPED(fd_close_at)
	int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) != 0 ||
		renameat(dir, temporary, dir, name) != 0)
		return err_errno(e, "the freeze's journal cannot be written");
	return 0;
}

static int
sync_folder(int dir, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0)
		return err_errno(e, "the freeze's journal cannot be made durable");
	return 0;
}

static int
journal_write(const struct freeze *f, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();
	SCOPED(free_at) char *text = NULL;

	for (size_t i = 0; i < f->count; i++)
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s}", "id", f->items[i].id, "name", f->items[i].name));
	text = json_dumps(list, JSON_COMPACT);
	if (text == NULL)
		return err_set(e, ERR_INTERNAL, "the freeze's journal cannot be encoded");
	return write_file(f->run_fd, journal_name, text, e) != 0 ? -1 : sync_folder(f->run_fd, e);
}

static int
journal_remove(int run_fd, struct err *e)
{
	if (unlinkat(run_fd, journal_name, 0) != 0 && errno != ENOENT)
		return err_errno(e, "the freeze's journal cannot be removed");
	return 0;
}

static int
hold(struct freeze *f, struct err *e)
{
	SCOPED(free_at) const char **ids = mem_array(NULL, f->count, sizeof(char *));

	for (size_t i = 0; i < f->count; i++)
		ids[i] = f->items[i].id;
	if (journal_write(f, e) != 0)
		return -1;
	return lender_guard(f->guard, ids, f->count, e);
}

int
freeze_begin(const struct freeze_options *options, struct freeze **ret_freeze, struct err *e)
{
	SCOPED(freeze_close_at) struct freeze *f = mem_new(sizeof(*f));

	f->engine = options->engine;
	f->guard = options->guard;
	f->run_fd = options->run_fd;
	f->max_ms = options->max_ms;
	select_items(f, options);
	if (f->count > 0 && hold(f, e) != 0)
		return -1;
	f->begin_ns = clock_mono_ns();
	in_parallel(f, true, pause_item);
	in_parallel(f, false, pause_item);
	if (first_error(f, e) != 0)
		return -1;
	*ret_freeze = TAKE(f);
	return 0;
}

int
freeze_thaw(struct freeze *f, struct err *e)
{
	if (f->done)
		return 0;
	for (size_t i = 0; i < f->count; i++)
		f->items[i].error.code = ERR_NONE;
	in_parallel(f, false, thaw_item);
	in_parallel(f, true, thaw_item);
	f->end_ns = clock_mono_ns();
	if (first_error(f, e) != 0)
		return -1;
	f->done = true;
	if (f->count == 0)
		return 0;
	/* A guard that died meanwhile has thawed already: nothing is lost by it. */
	(void)lender_guard(f->guard, NULL, 0, e);
	return journal_remove(f->run_fd, e);
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
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].id);
		free(f->items[i].name);
	}
	free(f->items);
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
	if (clock_since_ms(f->begin_ns) <= f->max_ms)
		return 0;
	return err_set(e, ERR_TIMEOUT,
		"the containers would have stood still for more than %lld ms, so they were thawed: "
		"too much changes between two passes; try when there is less load, or raise "
		"FUEL_BACKUP_MAX_FREEZE_MS",
		(long long)f->max_ms);
}

json_t *
freeze_windows(const struct freeze *f)
{
	json_t *windows = json_object();

	for (size_t i = 0; i < f->count; i++)
		if (f->items[i].hold == HOLD_THAWED)
			(void)json_object_set_new(windows, f->items[i].name,
				json_integer(
					(f->items[i].thawed_ns - f->items[i].paused_ns) / 1000000));
	return windows;
}

bool
freeze_holds(const struct freeze *f, const char *id)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->items[i].id, id) == 0)
			return f->items[i].hold != HOLD_NONE;
	return false;
}

static int
recover_items(struct engine *g, int run_fd, const json_t *list, struct err *e)
{
	struct freeze f = {.engine = g, .run_fd = run_fd};
	SCOPED(free_at)
	struct frozen *items = mem_array(NULL, json_array_size(list), sizeof(*items));
	const json_t *item;
	size_t i;
	int status;

	f.items = items;
	json_array_foreach (list, i, item) {
		items[f.count++] = (struct frozen){.id = mem_string(json_text(item, "id", NULL)),
			.name = mem_string(json_text(item, "name", NULL)),
			.hold = HOLD_PAUSED};
	}
	in_parallel(&f, false, thaw_item);
	status = first_error(&f, e);
	for (i = 0; i < f.count; i++) {
		free(items[i].id);
		free(items[i].name);
	}
	return status;
}

int
freeze_recover(struct engine *g, int run_fd, json_t **ret_thawed, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(run_fd, journal_name, O_RDONLY | O_CLOEXEC);
	SCOPED(json_decref_at) json_t *list = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	SCOPED(json_decref_at) json_t *names = json_array();
	const json_t *item;
	size_t i;

	if (list != NULL && recover_items(g, run_fd, list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		(void)json_array_append(names, json_object_get(item, "name"));
	}
	if (fd >= 0 && journal_remove(run_fd, e) != 0)
		return -1;
	if (ret_thawed != NULL)
		*ret_thawed = TAKE(names);
	return 0;
}
