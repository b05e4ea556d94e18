#include "jobs/copies/copies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "jobs/operations/run_state.h"
#include "store/catalogue/backups.h"

static const char folder_name[] = "copies";
static const char suffix[] = ".json";
static const int64_t SECOND_NS = 1000000000;

struct copies {
	int folder;
	pthread_mutex_t mutex;
	json_t *all; /* backup -> destination -> its state, with since_ns and next_ns (0: none) */
};

static char *
file_of(const char *backup)
{
	return mem_format("%s%s", backup, suffix);
}

/* Whether there still is such a backup: else its file is removed. */
static bool
is_listed(struct store *s, const char *backup)
{
	json_t *record;
	struct err e;

	if (backups_get(s, backup, &record, &e) != 0)
		return e.code != ERR_NOT_FOUND;
	json_decref(record);
	return true;
}

static const char *
state_name(const json_t *state)
{
	const char *name = json_string_value(json_object_get(state, "state"));

	return name == NULL ? "" : name;
}

/* What waited, or was under way, when the last process ended is due. */
static json_t *
resumed(json_t *states)
{
	const char *name;
	json_t *state;

	json_object_foreach (states, name, state) {
		if (strcmp(state_name(state), "waiting") == 0)
			(void)json_object_set_new(state, "next_ns", json_integer(clock_real_ns()));
	}
	return states;
}

static void
load_one(struct copies *c, struct store *s, const char *file)
{
	const size_t len = strlen(file);
	SCOPED(free_at) char *backup = NULL;
	json_t *states;
	struct err e;

	if (len != ID_LEN + strlen(suffix) || strcmp(file + ID_LEN, suffix) != 0)
		return;
	backup = mem_copy(file, ID_LEN);
	if (!id_valid(backup))
		return;
	if (!is_listed(s, backup)) {
		(void)run_state_remove(c->folder, file, &e);
		return;
	}
	if (run_state_load(c->folder, file, &states, &e) != 0 || states == NULL)
		log_warn("%s/%s of the store is not readable, and left out: %s", folder_name, file,
			e.text);
	else
		(void)json_object_set_new(c->all, backup, resumed(states));
}

static int
load_all(struct copies *c, struct store *s, struct err *e)
{
	const int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(dir_close_at) DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		return err_errno(e, "the store's folder %s", folder_name);
	for (const struct dirent *i; (i = readdir(dir)) != NULL;)
		load_one(c, s, i->d_name);
	return 0;
}

int
copies_open(struct store *s, struct copies **ret_copies, struct err *e)
{
	struct copies *c;
	int folder;

	if (mkdirat(store_fd(s), folder_name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "the store's folder %s cannot be made", folder_name);
	folder = openat(store_fd(s), folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (folder < 0)
		return err_errno(e, "the store's folder %s", folder_name);
	c = mem_new(sizeof(*c));
	c->folder = folder;
	c->all = json_object();
	(void)pthread_mutex_init(&c->mutex, NULL);
	if (load_all(c, s, e) != 0) {
		copies_close(c);
		return -1;
	}
	*ret_copies = c;
	return 0;
}

void
copies_close(struct copies *c)
{
	if (c == NULL)
		return;
	(void)close(c->folder);
	(void)pthread_mutex_destroy(&c->mutex);
	json_decref(c->all);
	free(c);
}

/* With the lock held: what is known, or NULL. */
static json_t *
state_of(struct copies *c, const char *backup, const char *destination)
{
	return json_object_get(json_object_get(c->all, backup), destination);
}

/* With the lock held: ${state} (taken) from now on, also after a crash. */
static int
state_set(
	struct copies *c, const char *backup, const char *destination, json_t *state, struct err *e)
{
	SCOPED(free_at) char *file = file_of(backup);
	json_t *states = json_object_get(c->all, backup);
	char at[CLOCK_TEXT_SIZE];

	(void)json_object_set_new(state, "at", json_string(clock_text(clock_real_ns(), at)));
	if (states == NULL) {
		states = json_object();
		(void)json_object_set_new(c->all, backup, states);
	}
	(void)json_object_set_new(states, destination, state);
	return run_state_write(c->folder, file, states, e);
}

static int64_t
number(const json_t *state, const char *key)
{
	return json_integer_value(json_object_get(state, key));
}

int
copies_want(struct copies *c, const char *backup, const char *destination, int64_t after_s,
	struct err *e)
{
	const int64_t now_ns = clock_real_ns();
	LOCKED(&c->mutex);
	const json_t *before = state_of(c, backup, destination);
	const bool tried = number(before, "next_ns") != 0; /* and not given up */

	if (strcmp(state_name(before), "complete") == 0)
		return 0;
	return state_set(c, backup, destination,
		json_pack("{s:s, s:I, s:I, s:I}", "state", "waiting", "since_ns",
			(json_int_t)(tried ? number(before, "since_ns") : now_ns), "next_ns",
			(json_int_t)(now_ns + after_s * SECOND_NS), "tries",
			(json_int_t)(tried ? number(before, "tries") : 0)),
		e);
}

int
copies_complete(struct copies *c, const char *backup, const char *destination,
	const struct copies_object *object, struct err *e)
{
	LOCKED(&c->mutex);

	return state_set(c, backup, destination,
		json_pack("{s:s, s:s, s:I, s:s?, s:I}", "state", "complete", "object", object->name,
			"bytes", (json_int_t)object->bytes, "sha256", object->sha256, "tries",
			(json_int_t)number(state_of(c, backup, destination), "tries") + 1),
		e);
}

/* So long after so many tries. */
static int64_t
pause_ns(int64_t tries)
{
	int64_t s = 60;

	while (tries-- > 1 && s < COPIES_PAUSE_MAX_S)
		s *= 2;
	return (s < COPIES_PAUSE_MAX_S ? s : COPIES_PAUSE_MAX_S) * SECOND_NS;
}

int
copies_failed(struct copies *c, const char *backup, const char *destination, const struct err *why,
	struct err *e)
{
	const int64_t now_ns = clock_real_ns();
	LOCKED(&c->mutex);
	const json_t *before = state_of(c, backup, destination);
	const int64_t tries = number(before, "tries") + 1;
	int64_t since_ns = number(before, "since_ns");
	int64_t next_ns = now_ns + pause_ns(tries);

	if (since_ns == 0)
		since_ns = now_ns;
	if (why->code == ERR_CANCELLED || next_ns - since_ns > COPIES_DAYS * 86400 * SECOND_NS)
		next_ns = 0;
	return state_set(c, backup, destination,
		json_pack("{s:s, s:I, s:I, s:I, s:o}", "state", "failed", "since_ns",
			(json_int_t)since_ns, "next_ns", (json_int_t)next_ns, "tries",
			(json_int_t)tries, "error", problem_json(why)),
		e);
}

/* As the API tells it. */
static json_t *
told(const char *destination, const json_t *state)
{
	json_t *copy = json_pack("{s:s}", "destination", destination);
	const int64_t next_ns = number(state, "next_ns");
	static const char *const keys[] = {
		"state", "at", "tries", "object", "bytes", "sha256", "error"};
	char at[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(state, keys[i]);

		(void)json_object_set_new(
			copy, keys[i], value == NULL ? json_null() : json_deep_copy(value));
	}
	(void)json_object_set_new(
		copy, "next_at", next_ns == 0 ? json_null() : json_string(clock_text(next_ns, at)));
	return copy;
}

json_t *
copies_of(struct copies *c, const char *backup)
{
	json_t *array = json_array();
	const char *destination;
	json_t *state;
	LOCKED(&c->mutex);

	json_object_foreach (json_object_get(c->all, backup), destination, state) {
		(void)json_array_append_new(array, told(destination, state));
	}
	return array;
}

void
copies_forget(struct copies *c, const char *backup)
{
	SCOPED(free_at) char *file = file_of(backup);
	struct err ignored;
	LOCKED(&c->mutex);

	if (json_object_del(c->all, backup) == 0)
		(void)run_state_remove(c->folder, file, &ignored);
}

bool
copies_due(struct copies *c, int64_t now_ns, char backup[ID_SIZE],
	char destination[DESTINATION_NAME_MAX + 1])
{
	const char *id, *name;
	json_t *states, *state, *found = NULL;
	LOCKED(&c->mutex);

	json_object_foreach (c->all, id, states) {
		json_object_foreach (states, name, state) {
			const int64_t next_ns = number(state, "next_ns");

			if (next_ns == 0 || next_ns > now_ns ||
				(found != NULL && next_ns >= number(found, "next_ns")))
				continue;
			found = state;
			(void)snprintf(backup, ID_SIZE, "%s", id);
			(void)snprintf(destination, DESTINATION_NAME_MAX + 1, "%s", name);
		}
	}
	/* Handed out: not again at once, whatever becomes of it. */
	if (found != NULL)
		(void)json_object_set_new(found, "next_ns", json_integer(now_ns + 60 * SECOND_NS));
	return found != NULL;
}

static struct copies_figures *
figures_of(struct copies_figures *figures, size_t *count, size_t max, const char *destination)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(figures[i].destination, destination) == 0)
			return &figures[i];
	if (*count == max)
		return NULL;
	figures[*count] = (struct copies_figures){.complete = 0};
	(void)snprintf(figures[*count].destination, sizeof(figures[*count].destination), "%s",
		destination);
	return &figures[(*count)++];
}

size_t
copies_figures(struct copies *c, struct copies_figures *figures, size_t max)
{
	const char *id, *name;
	json_t *states, *state;
	size_t count = 0;
	LOCKED(&c->mutex);

	json_object_foreach (c->all, id, states) {
		const int64_t made_ns = id_time_ns(id, ID_LEN);

		json_object_foreach (states, name, state) {
			struct copies_figures *f = figures_of(figures, &count, max, name);
			const char *what = state_name(state);

			if (f == NULL)
				continue;
			f->waiting += strcmp(what, "waiting") == 0 ? 1 : 0;
			f->failed += strcmp(what, "failed") == 0 ? 1 : 0;
			if (strcmp(what, "complete") != 0)
				continue;
			f->complete++;
			if (made_ns > f->newest_ns)
				f->newest_ns = made_ns;
		}
	}
	return count;
}
