#include "jobs/freeze/freeze.h"

#include <string.h>
#include <unistd.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/lender/guard.h"
#include "engine/lender/thaw.h"
#include "engine/traits.h"
#include "jobs/freeze/freeze_internal.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"

/* How long the end of a freeze waits for an engine that went away; afterwards the guard, the next
 * backup and the next start still thaw.  LATE_MS: a pause whose answer was lost is taken for never
 * carried out if the engine has told for so long that it was not. */
enum { CLOSE_MS = 60 * 1000, LATE_MS = 4000, ANSWER_MS = 1000 };

/* The guard's time is up a little later than ours, so that it acts only for one that cannot. */
enum { GUARD_LATER_MS = 200 };

/* Between two tries to thaw. */
static const useconds_t RETRY_US = 100 * 1000;

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
freeze_select_items(struct freeze *f, const struct freeze_options *options)
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
		s->items[s->count] = (struct frozen){.id = mem_string(id),
			.name = mem_string(container_name(inspect)),
			.place = s->count,
			.watcher = watches(inspect)};
		s->count++;
	}
}

int
freeze_first_error(struct frozen_set *s, struct err *e)
{
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].error.code != ERR_NONE) {
			*e = s->items[i].error;
			return -1;
		}
	return 0;
}

/* By cgroups first: that takes no time. */
void
freeze_release(struct frozen_set *s)
{
	freezer_cgroup.release(s);
	freezer_docker.release(s);
}

/* ---- before it ---- */

static int
freeze_borrow_cgroups(struct freeze *f, struct err *e)
{
	struct frozen_set *s = &f->set;
	SCOPED(free_at) const char **ids = mem_array(NULL, s->count + 1, sizeof(char *));

	for (size_t i = 0; i < s->count; i++)
		ids[i] = s->items[i].id;
	return lender_freezers(f->guard, ids, s->count, &s->cgroups, e);
}

/* Who is held by what.  The cgroups are wanted even if the engine is to pause all: to see what is,
 * and to thaw whatever the engine does. */
static int
choose_freezers(struct freeze *f, const char *choice, struct err *e)
{
	struct frozen_set *s = &f->set;
	const bool all_cgroup = strcmp(choice, freezer_cgroup.name) == 0;
	bool all_docker = strcmp(choice, freezer_docker.name) == 0;
	struct traits traits;

	if (traits_find(s->engine, &traits, e) != 0)
		return -1;
	f->nudges = !traits.tells_questions;
	/* The event that is to prove that nobody interfered has to come from somewhere. */
	if (f->nudges && lender_container(f->guard) == NULL)
		all_docker = true;
	if (freeze_borrow_cgroups(f, e) != 0 && (all_cgroup || e->code != ERR_UNSUPPORTED))
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		struct frozen *item = &s->items[i];
		const bool has = cgroups_has(s->cgroups, item->place);

		if (!has && all_cgroup)
			return err_set(e, ERR_UNSUPPORTED,
				"container %s has no cgroup below the host's /sys/fs/cgroup that "
				"can be written: set FUEL_BACKUP_FREEZER=auto",
				item->name);
		item->by = has && !all_docker ? &freezer_cgroup : &freezer_docker;
	}
	return 0;
}

/* Its owner has paused it since it was described. */
static bool
stands_still(struct frozen_set *s, const struct frozen *item)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const int state = frozen_state(s, item);
	struct err ignored;

	if (state >= 0)
		return state == 1;
	return containers_inspect_within(s->engine, item->id, ANSWER_MS, &inspect, &ignored) == 0 &&
	       json_truth(inspect, "State", "Paused");
}

/* Invariant 2. */
static void
drop_owners(struct frozen_set *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (!stands_still(s, &s->items[i])) {
			s->items[kept++] = s->items[i];
			continue;
		}
		free(s->items[i].id);
		free(s->items[i].name);
	}
	s->count = kept;
}

static int
journal_write(const struct freeze *f, struct err *e)
{
	SCOPED(json_decref_at) json_t *journal = NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < f->set.count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "id", f->set.items[i].id, "name",
				      f->set.items[i].name, "freezer", f->set.items[i].by->name));
	journal = json_pack("{s:s, s:o}", "guard", lender_mark(f->guard), "containers", list);
	return run_state_write(f->run_fd, GUARD_JOURNAL, journal, e);
}

static int
arm_guard(const struct freeze *f, struct err *e)
{
	const struct frozen_set *s = &f->set;
	SCOPED(free_at) struct lender_held *held = mem_new((s->count + 1) * sizeof(*held));

	for (size_t i = 0; i < s->count; i++)
		held[i] = (struct lender_held){
			.id = s->items[i].id, .by_engine = s->items[i].by == &freezer_docker};
	return lender_guard(f->guard, held, s->count, (uint32_t)(f->max_ms + GUARD_LATER_MS), e);
}

/* Whatever takes time and may be done before. */
static int
freeze_prepare(struct freeze *f, const char *choice, struct err *e)
{
	size_t paused;

	if (f->set.count == 0)
		return 0;
	if (choose_freezers(f, choice, e) != 0)
		return -1;
	paused = frozen_count(&f->set, &freezer_docker);
	if (paused > 0 &&
		engine_warm(f->set.engine, paused < HTTP_IDLE_MAX ? paused : HTTP_IDLE_MAX, e) != 0)
		return -1;
	barrier("prepared");
	drop_owners(&f->set);
	return 0;
}

/* Those that are known not to be frozen need not make all fail. */
static void
take_faults(struct frozen_set *s)
{
	LOCKED(&s->mutex);

	for (size_t i = 0; i < s->count; i++) {
		struct frozen *item = &s->items[i];

		if (item->hold != HOLD_NONE || item->unclear || item->error.code == ERR_NONE)
			continue;
		item->fault = item->error;
		item->error.code = ERR_NONE;
	}
}

static int
begin(struct freeze *f, struct err *e)
{
	f->begin_ns = clock_mono_ns();
	if (f->set.count == 0)
		return 0;
	if (journal_write(f, e) != 0 || arm_guard(f, e) != 0 || freeze_watch_begin(f, e) != 0)
		return -1;
	barrier("armed");
	/* The engine's pause takes its time; what the kernel freezes at once comes last. */
	freezer_docker.hold(&f->set);
	barrier("holding");
	if (freeze_check(f, e) != 0) /* that took all the time there was */
		return -1;
	freezer_cgroup.hold(&f->set);
	barrier("frozen");
	if (f->faults)
		take_faults(&f->set);
	return freeze_first_error(&f->set, e) != 0 ? -1 : freeze_check(f, e);
}

int
freeze_begin(const struct freeze_options *options, struct freeze **ret_freeze, struct err *e)
{
	SCOPED(freeze_close_at) struct freeze *f = mem_new(sizeof(*f));

	f->set.engine = options->engine;
	(void)pthread_mutex_init(&f->set.mutex, NULL);
	f->guard = options->guard;
	f->run_fd = options->run_fd;
	f->max_ms = options->max_ms;
	f->faults = options->faults;
	/* What an earlier one could not thaw is not to be forgotten by this one's journal. */
	if (freeze_recover(options->engine, options->run_fd, options->run_path, NULL, e) != 0)
		return -1;
	freeze_select_items(f, options);
	if (freeze_prepare(f, options->freezer, e) != 0 || begin(f, e) != 0)
		return -1;
	*ret_freeze = TAKE(f);
	return 0;
}

/* ---- after it ---- */

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

/* Invariant 5: all stood still up to here. */
static void
check_still_held(struct freeze *f)
{
	struct frozen_set *s = &f->set;

	for (size_t i = 0; i < s->count; i++)
		if (frozen_is_held(s, &s->items[i]) &&
			cgroups_is_set(s->cgroups, s->items[i].place) == 0)
			freeze_break(f, BROKEN_TOUCHED);
}

/* Whether a pause that was asked for shows, or might: the engine does not say. */
static bool
may_be_paused(struct frozen_set *s, struct frozen *item)
{
	const struct thaw_switch by = {frozen_switch, frozen_look, s};
	SCOPED(json_decref_at) json_t *inspect = NULL;
	struct thaw_result result;
	struct err e;

	if (containers_inspect_within(s->engine, item->id, ANSWER_MS, &inspect, &e) != 0)
		return e.code != ERR_NOT_FOUND;
	if (!json_truth(inspect, "State", "Paused") && frozen_state(s, item) != 1)
		return false;
	(void)thaw_container(s->engine, &by, item->id, &result, &e);
	return true;
}

static bool
any_unclear(struct frozen_set *s, bool *ret_seen)
{
	bool any = false;

	*ret_seen = false;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].unclear) {
			any = true;
			*ret_seen = may_be_paused(s, &s->items[i]) || *ret_seen;
		}
	return any;
}

/* Pauses whose answer was lost: until it is sure that they come no more. */
static int
freeze_settle(struct freeze *f, struct err *e)
{
	const int64_t since_ns = clock_mono_ns();
	int64_t quiet_ns = since_ns;
	bool seen;

	while (any_unclear(&f->set, &seen)) {
		if (seen)
			quiet_ns = clock_mono_ns();
		if (clock_since_ms(quiet_ns) > LATE_MS)
			break;
		if (clock_since_ms(since_ns) > CLOSE_MS || engine_socket_dead(f->set.engine))
			return err_set(e, ERR_TIMEOUT,
				"the engine does not tell whether a pause that it was asked for "
				"will yet come");
		(void)usleep(RETRY_US);
	}
	for (size_t i = 0; i < f->set.count; i++)
		f->set.items[i].unclear = false;
	return 0;
}

static int
freeze_finish(struct freeze *f, struct err *e)
{
	bool thawed = false;
	struct err ignored;
	int none = BROKEN_NOT;

	barrier("thawed");
	freeze_watch_end(f);
	f->done = true;
	if (f->set.count == 0)
		return 0;
	/* A guard that died meanwhile, or hangs: without the journal it does nothing any more. */
	if (lender_release(f->guard, &thawed, &ignored) == 0 && thawed)
		(void)atomic_compare_exchange_strong(&f->broken, &none, BROKEN_TIME);
	return run_state_remove(f->run_fd, GUARD_JOURNAL, e);
}

int
freeze_thaw(struct freeze *f, struct err *e)
{
	if (f->done)
		return freeze_check(f, e);
	if (f->end_ns == 0)
		check_still_held(f);
	barrier("thawing");
	clear_errors(&f->set);
	freeze_release(&f->set);
	f->end_ns = last_thaw(&f->set);
	if (freeze_first_error(&f->set, e) != 0 || freeze_settle(f, e) != 0 ||
		freeze_finish(f, e) != 0)
		return -1;
	return freeze_check(f, e);
}

void
freeze_close(struct freeze *f)
{
	const int64_t since_ns = clock_mono_ns();
	struct err ignored;

	if (f == NULL)
		return;
	while (freeze_thaw(f, &ignored) != 0 && !f->done && clock_since_ms(since_ns) < CLOSE_MS &&
		!engine_socket_dead(f->set.engine))
		(void)usleep(RETRY_US);
	freeze_watch_end(f);
	frozen_clear(&f->set);
	(void)pthread_mutex_destroy(&f->set.mutex);
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
freeze_broken_error(const struct freeze *f, enum broken why, struct err *e)
{
	switch (why) {
	case BROKEN_NOT:
		return 0;
	case BROKEN_TIME:
		return err_set(e, ERR_TIMEOUT,
			"the containers would have stood still for more than %lld ms, so they were "
			"thawed: too much changes between two passes; try when there is less load, "
			"or raise FUEL_BACKUP_MAX_FREEZE_MS",
			(long long)f->max_ms);
	case BROKEN_HAND:
		return err_set(e, ERR_CHANGED,
			"the containers were thawed by hand while they were copied: start the "
			"backup again");
	case BROKEN_GUARD:
		return err_set(e, ERR_CHANGED,
			"the helper container that guards the freeze died, so all was thawed at "
			"once: start the backup again");
	case BROKEN_SOCKET:
		return err_set(e, ERR_CHANGED,
			"the engine was started anew while the containers stood still, so all was "
			"thawed at once: start the backup again");
	case BROKEN_TOUCHED:
		break;
	}
	return err_set(e, ERR_CHANGED,
		"somebody else thawed a container while it was frozen, so the copy is of no single "
		"instant: start the backup again");
}

int
freeze_check(const struct freeze *f, struct err *e)
{
	enum broken why = (enum broken)atomic_load(&f->broken);

	/* Also for one whose thread had no turn yet, as after a stop of the whole process. */
	if (why == BROKEN_NOT && f->watched && f->end_ns == 0 && clock_boot_ns() >= f->until_ns)
		why = BROKEN_TIME;
	return freeze_broken_error(f, why, e);
}
