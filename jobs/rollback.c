#include "jobs/rollback.h"

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/lender.h"
#include "jobs/inspect.h"
#include "jobs/note.h"
#include "jobs/refill.h"
#include "jobs/stack.h"

static const char note_name[] = "restore.json";
static const char state_undo[] = "undo";
static const char state_finish[] = "finish";

static int
open_run(struct store *store, struct err *e)
{
	const int fd = openat(store_fd(store), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s/run", store_path(store)) : fd;
}

char *
rollback_backup(struct store *store)
{
	struct err ignored;
	SCOPED(fd_close_at) int run_fd = open_run(store, &ignored);
	SCOPED(json_decref_at) json_t *note = run_fd < 0 ? NULL : note_read(run_fd, note_name);
	const char *backup = json_string_value(json_object_get(note, "backup"));

	return backup == NULL ? NULL : mem_string(backup);
}

static json_t *
items_json(const struct restore *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const struct stack_item *item = &r->items[i];

		if (item->keeps)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:i, s:O, s:O?}", "name", item->name, "way",
				      (int)item->way, "inspect", item->inspect, "present",
				      item->present));
	}
	return list;
}

static int
write_state(struct restore *r, const char *state, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = open_run(r->request->store, e);
	SCOPED(json_decref_at)
	json_t *note = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:O?, s:o, s:o}", "state", state,
		"id", restore_id(r), "backup", r->request->backup, "host_paths",
		r->request->host_paths, "astute", r->request->astute, "started", r->started,
		"exclude", r->exclude, "items", items_json(r), "targets", refill_note(r->refill));

	return run_fd < 0 ? -1 : note_write(run_fd, note_name, note, e);
}

int
rollback_begin(struct restore *r, struct err *e)
{
	return write_state(r, state_undo, e);
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
rollback_end(struct restore *r, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = open_run(r->request->store, e);

	return run_fd < 0 ? -1 : note_remove(run_fd, note_name, e);
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

		r->items[r->count++] = (struct stack_item){.name = json_text(item, "name", NULL),
			.inspect = json_object_get(item, "inspect"),
			.way = (enum stack_way)json_integer_value(json_object_get(item, "way")),
			.present = json_is_object(present) ? json_incref(present) : NULL};
	}
}

static int
put_back(struct restore *r, struct err *e)
{
	stack_halt(r);
	if (refill_undo(r->refill) >= 0 && stack_undo(r) == 0 && stack_settle(r) == 0)
		return 0;
	return err_set(e, ERR_ENGINE,
		"a restore that was cut off could not be put back wholly: see the log");
}

static int
put_right(struct restore *r, const json_t *note, struct err *e)
{
	const bool undo = strcmp(json_text(note, "state", NULL), state_undo) == 0;

	if (self_find(r->request->engine, &r->self, e) != 0 ||
		lender_sweep(r->request->engine, r->self, e) != 0)
		return -1;
	stack_resume(r);
	if (refill_resume(r, json_object_get(note, "targets"), &r->refill, e) != 0)
		return -1;
	if (undo ? put_back(r, e) != 0
		 : refill_finish(r->refill, e) != 0 || stack_finish(r, e) != 0 ||
				stack_wake(r, e) != 0)
		return -1;
	log_warn("restore %s, which had been cut off, was %s", restore_id(r),
		undo ? "undone" : "finished");
	return rollback_end(r, e);
}

int
rollback_recover(struct store *store, struct engine *g, struct err *e)
{
	SCOPED(fd_close_at) int run_fd = open_run(store, e);
	SCOPED(json_decref_at) json_t *note = run_fd < 0 ? NULL : note_read(run_fd, note_name);
	SCOPED(free_at) char *backup = mem_string(json_text(note, "backup", NULL));
	const struct restore_request request = {.store = store,
		.engine = g,
		.backup = backup,
		.host_paths = json_truth(note, "host_paths", NULL),
		.astute = json_truth(note, "astute", NULL)};
	struct restore r = {.request = &request,
		.id = mem_string(json_text(note, "id", NULL)),
		.started = json_truth(note, "started", NULL),
		.exclude = json_object_get(note, "exclude"),
		.warnings = json_array()};
	int status = run_fd < 0 ? -1 : 0;

	if (note != NULL) {
		read_items(&r, note);
		status = put_right(&r, note, e);
	}
	restore_clear(&r);
	return status == 0 ? 0 : err_prefix(e, "a restore that was cut off");
}
