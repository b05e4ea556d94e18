#include "jobs/restore/rollback.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender/lender.h"
#include "jobs/operations/inspect.h"
#include "jobs/operations/run_state.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/containers/services.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/keeper.h"

static const char note_name[] = "restore.json";
static const char copy_name[] = "restore-copy.json";
static const char state_undo[] = "undo";
static const char state_finish[] = "finish";
static const char state_watch[] = "watch";

static int
rollback_open_run(struct store *store, struct err *e)
{
	const int fd = openat(store_fd(store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(store)) : fd;
}

int
rollback_note(struct store *store, json_t **ret_note, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rollback_open_run(store, e);
	struct err of_copy;
	int status;

	*ret_note = NULL;
	if (run_fd < 0)
		return -1;
	status = run_state_load(run_fd, note_name, ret_note, e);
	if (status == 0 && *ret_note != NULL)
		return 0;
	if (run_state_load(run_fd, copy_name, ret_note, &of_copy) == 0 &&
		(status == 0 || *ret_note != NULL))
		return 0;
	return status != 0 ? -1 : (*e = of_copy, -1);
}

int
rollback_backup(struct store *store, char **ret_backup, struct err *e)
{
	SCOPED(json_decref_at) json_t *note = NULL;
	const char *backup;

	*ret_backup = NULL;
	struct err of_note;

	if (rollback_note(store, &note, &of_note) != 0)
		return err_set(e, ERR_CONFLICT,
			"a restore was cut off, and which backup it may need cannot be told: %s; "
			"`dockerctl recover --abandon` gives it up",
			of_note.text);
	backup = json_string_value(json_object_get(note, "backup"));
	if (backup != NULL && strcmp(json_text(note, "state", NULL), state_watch) != 0)
		*ret_backup = mem_string(backup);
	return 0;
}

static json_t *
items_json(const struct restore *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];

		if (item->keeps)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:i, s:O, s:O?}", "name", item->name, "way",
				      (int)item->way, "inspect", item->inspect, "present",
				      item->present));
	}
	return list;
}

/* Durable, and readable as the old or the new one whatever happens to a file. */
static int
rollback_write_note(struct store *store, const json_t *note, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rollback_open_run(store, e);

	return run_fd < 0 || run_state_write(run_fd, copy_name, note, e) != 0 ||
			       run_state_write(run_fd, note_name, note, e) != 0
		       ? -1
		       : 0;
}

static int
write_state(struct restore *r, const char *state, struct err *e)
{
	if (r->networks == NULL)
		r->networks = restore_containers_networks(r);

	SCOPED(json_decref_at)
	json_t *note = json_pack(
		"{s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:O?, s:o, s:o, s:o, s:O, s:O?, s:O?}",
		"state", state, "id", restore_id(r), "backup", r->request->backup, "host_paths",
		r->request->host_paths, "astute", r->request->astute, "started", r->started,
		"stopping", r->stopping, "exclude", r->exclude, "items", items_json(r), "targets",
		restore_data_note(r->refill), "made", restore_containers_made(r), "networks",
		r->networks, "replaced", r->replaced, "services", r->services);

	return rollback_write_note(r->request->store, note, e);
}

int
rollback_begin(struct restore *r, struct err *e)
{
	return write_state(r, state_undo, e);
}

int
rollback_stop(struct restore *r, struct err *e)
{
	r->stopping = true;
	return write_state(r, state_undo, e) != 0 ? -1 : keeper_hold(r, e);
}

int
rollback_start(struct restore *r, struct err *e)
{
	r->started = true;
	return write_state(r, state_undo, e);
}

int
rollback_commit(struct restore *r, struct err *e)
{
	return write_state(r, state_finish, e);
}

int
rollback_await(struct restore *r, struct err *e)
{
	return write_state(r, state_watch, e);
}

int
rollback_end(struct restore *r, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rollback_open_run(r->request->store, e);

	if (run_fd < 0 || (r->stopping && keeper_release(r, e) != 0))
		return -1;
	return run_state_remove(run_fd, note_name, e) != 0 ? -1
							   : run_state_remove(run_fd, copy_name, e);
}

/* The restore that ${note} tells of, as far as undoing or finishing it needs. */
static void
read_items(struct restore *r, const json_t *note)
{
	const json_t *list = json_object_get(note, "items");
	json_t *item;
	size_t i;

	r->items = mem_new((json_array_size(list) + 1) * sizeof(*r->items));
	json_array_foreach (list, i, item) {
		json_t *present = json_object_get(item, "present");

		r->items[r->count++] = (struct restore_container){
			.name = json_text(item, "name", NULL),
			.inspect = json_object_get(item, "inspect"),
			.way = (enum restore_way)json_integer_value(json_object_get(item, "way")),
			.present = json_is_object(present) ? json_incref(present) : NULL};
	}
}

/* A restore as it was left; ${r->request} lives in ${request}. */
struct left_over {
	json_t *note;
	struct restore_request request;
	struct restore restore;
};

static void
left_over_clear(struct left_over *l)
{
	free(l->request.backup);
	restore_clear(&l->restore);
	json_decref(l->note);
}

/* 0 if there is none, 1, -1. */
static int
left_over_read(
	struct left_over *l, struct store *store, struct engine *g, json_t *left, struct err *e)
{
	struct restore *r = &l->restore;

	*l = (struct left_over){.request = {.store = store, .engine = g}};
	if (rollback_note(store, &l->note, e) != 0)
		return -1;
	if (l->note == NULL)
		return 0;
	l->request.backup = mem_string(json_text(l->note, "backup", NULL));
	l->request.host_paths = json_truth(l->note, "host_paths", NULL);
	l->request.astute = json_truth(l->note, "astute", NULL);
	*r = (struct restore){.request = &l->request,
		.id = mem_string(json_text(l->note, "id", NULL)),
		.started = json_truth(l->note, "started", NULL),
		/* an earlier version did not note it */
		.stopping = json_object_get(l->note, "stopping") == NULL ||
			    json_truth(l->note, "stopping", NULL),
		.exclude = json_incref(json_object_get(l->note, "exclude")),
		.networks = json_incref(json_object_get(l->note, "networks")),
		.replaced = json_incref(json_object_get(l->note, "replaced")),
		.services = json_incref(json_object_get(l->note, "services")),
		.left = json_incref(left),
		.warnings = json_array()};
	read_items(r, l->note);
	return 1;
}

static int
rollback_put_back(struct restore *r, struct err *e)
{
	services_halt(r);
	restore_containers_halt(r);
	if (restore_data_undo(r->refill) >= 0 && restore_containers_undo(r) == 0 &&
		services_undo(r) == 0)
		return 0;
	if (r->trouble.code == ERR_NONE)
		return err_set(e, ERR_ENGINE, "not all could be put back: see the log");
	*e = r->trouble;
	return -1;
}

static int
put_right(struct left_over *l, struct err *e)
{
	struct restore *r = &l->restore;
	const bool undo = strcmp(json_text(l->note, "state", NULL), state_undo) == 0;

	if (self_find(r->request->engine, &r->self, e) != 0 ||
		lender_sweep(r->request->engine, r->self, e) != 0 ||
		restore_containers_resume(r, json_object_get(l->note, "made"), e) != 0 ||
		restore_data_resume(r, json_object_get(l->note, "targets"), &r->refill, e) != 0)
		return -1;
	if (!undo) {
		if (restore_data_finish(r->refill, e) != 0 ||
			restore_containers_finish(r, e) != 0 || restore_containers_wake(r, e) != 0)
			return -1;
		log_warn("restore %s, which had been cut off, was finished", restore_id(r));
		return rollback_end(r, e);
	}
	const int status = rollback_put_back(r, e);
	/* What was made again has another id now. */
	if (status == 0)
		(void)json_object_set_new(l->note, "state", json_string(state_watch));
	struct err of_note;
	if (rollback_write_note(r->request->store, l->note, &of_note) != 0 && status == 0) {
		*e = of_note;
		return -1;
	}
	if (status == 0)
		log_warn("restore %s, which had been cut off, was undone", restore_id(r));
	return status;
}

static bool
is_watched(const struct left_over *l)
{
	return strcmp(json_text(l->note, "state", NULL), state_watch) == 0;
}

int
rollback_recover(struct store *store, struct engine *g, json_t *left, struct err *e)
{
	struct left_over l;
	int status = left_over_read(&l, store, g, left, e);

	if (status == 1)
		status = is_watched(&l) ? 0 : put_right(&l, e);
	left_over_clear(&l);
	return status;
}

static int
watch(struct restore *r, const struct rollback_patience *p, struct err *e)
{
	const int64_t since_ns = clock_mono_ns(), longest_ms = restore_containers_unsure_ms(r);
	const int64_t watch_ms = longest_ms < 0 ? p->settle_ms : longest_ms + p->margin_ms;

	do {
		(void)usleep((useconds_t)p->look_ms * 1000);
		if (p->stop(p->ctx))
			return 1;
		if (restore_containers_watch(r, e) != 0)
			return -1;
	} while (clock_since_ms(since_ns) < watch_ms);
	return rollback_end(r, e);
}

int
rollback_watch(struct store *store, struct engine *g, const struct rollback_patience *patience,
	json_t *left, struct err *e)
{
	struct left_over l;
	int status = left_over_read(&l, store, g, left, e);

	if (status == 1)
		status = restore_containers_resume(
				 &l.restore, json_object_get(l.note, "made"), e) != 0
				 ? -1
				 : watch(&l.restore, patience, e);
	left_over_clear(&l);
	return status;
}

/* Where the old data of ${target} are, if they are not back. */
static void
leave_target(struct restore *r, int run_fd, const json_t *target)
{
	const char *saved = json_text(target, "saved", NULL);
	const char *prefix = json_text(target, "prefix", NULL);
	SCOPED(free_at) char *kept = mem_format(RUN_STATE_LEFT "%s", saved);

	if (json_integer_value(json_object_get(target, "way")) == 0)
		restore_left(r, "data", prefix,
			"what was there before is in the folder .fuel-backup-%s beside it or in "
			"it, if that is there",
			restore_id(r));
	else if (renameat(run_fd, saved, run_fd, kept) == 0)
		restore_left(r, "data", prefix, "the file that was there before is in %s/run/%s",
			store_path(r->request->store), kept);
}

static void
rollback_leave_all(struct left_over *l, int run_fd)
{
	struct restore *r = &l->restore;
	const json_t *target;
	size_t i;

	for (i = 0; i < r->count; i++)
		if (r->items[i].present != NULL)
			restore_left(r, "container", r->items[i].name,
				"it may be stopped, with its restart policy off, and be called "
				"%s.fuel-backup-%s; the policy was \"%s\"",
				r->items[i].name, restore_id(r),
				json_text(json_object_get(r->items[i].present, "HostConfig"),
					"RestartPolicy", "Name"));
	json_array_foreach (json_object_get(l->note, "targets"), i, target) {
		leave_target(r, run_fd, target);
	}
}

/* Files of damaged notes are kept for who wants to look into them. */
static void
keep_damaged(int run_fd, const char *name)
{
	SCOPED(json_decref_at) json_t *note = NULL;
	SCOPED(free_at) char *kept = mem_format(RUN_STATE_LEFT "%s", name);
	struct err e;

	if (run_state_load(run_fd, name, &note, &e) != 0)
		(void)renameat(run_fd, name, run_fd, kept);
}

int
rollback_abandon(struct store *store, json_t *left, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = rollback_open_run(store, e);
	struct left_over l;
	const int status = run_fd < 0 ? -1 : left_over_read(&l, store, NULL, left, e);

	if (run_fd < 0)
		return -1;
	if (status == 1)
		rollback_leave_all(&l, run_fd);
	else if (status < 0)
		(void)json_array_append_new(left, json_pack("{s:s, s:s, s:s}", "kind", "note",
							  "name", note_name, "reason", e->text));
	left_over_clear(&l);
	keep_damaged(run_fd, note_name);
	keep_damaged(run_fd, copy_name);
	return run_state_remove(run_fd, note_name, e) != 0 ? -1
							   : run_state_remove(run_fd, copy_name, e);
}
