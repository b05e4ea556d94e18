/* The way back. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/restore/data/restore_data_internal.h"
#include "jobs/restore/state/selection.h"

/* The target ${t} as another restore of the same backup would have it. */
static struct target
again_of(const struct target *t)
{
	return (struct target){.prefix = mem_string(t->prefix),
		.path = mem_string(t->path),
		.container = t->container == NULL ? NULL : mem_string(t->container),
		.nested = t->nested,
		.parts = selection_parts_copy(t->parts),
		.active = true,
		.lender = t->lender,
		.number = t->number,
		.itself = t->itself,
		.found = {.fd = -1},
		.root_fd = t->root_fd < 0 ? -1 : fcntl(t->root_fd, F_DUPFD_CLOEXEC, 0),
		.saved_fd = -1};
}

/* What an earlier try has left is undone; it moved nothing that would be needed. */
static int
restore_data_undo_begin_again(struct restore_data *f, struct err *e)
{
	const struct target_options options = restore_data_options(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (target_resume(t, &options, e) != 0 || target_undo(t, &options, e) != 0)
			return -1;
		tree_swap_close(t->patch);
		t->patch = NULL;
		if (target_look(t, &options, e) != 0)
			return -1;
	}
	return 0;
}

/* What a crash cut off is put right by its note alone: what the note does not say is read again. */
static int
read_contents(struct restore *r, struct err *e)
{
	if (r->contents != NULL)
		return 0;
	return contents_read_brief(
		r->request->store, r->request->backup, r->operation, &r->contents, e);
}

static int
restore_data_undo_carry_out_again(struct restore_data *f, struct err *e)
{
	if (restore_data_undo_begin_again(f, e) != 0)
		return -1;
	if (read_contents(f->restore, e) != 0)
		return -1;
	if (restore_data_compare(f, e) != 0)
		return -1;
	if (restore_data_begin(f, false, e) != 0)
		return -1;
	if (restore_data_put_beside(f, BESIDE_TREES, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_ready(&f->targets[i], e) != 0)
			return -1;
	return restore_data_swap(f, e) != 0 || restore_data_sync(f, e) != 0 ||
			       restore_data_finish(f, e) != 0
		       ? -1
		       : 0;
}

/* The backup has not got any more what has to be taken back: undo what was begun of that.  1, or
 * -1: not even that. */
static int
restore_data_undo_leave(struct restore_data *again)
{
	const struct target_options options = restore_data_options(again);
	int status = 1;
	struct err e;

	for (size_t i = 0; i < again->count; i++)
		if (target_undo(&again->targets[i], &options, &e) != 0)
			status = -1;
	return status;
}

/* Make the trees of the targets ${list} equal to the backup once more. */
static int
mend_these(struct restore_data *f, const struct target *const *list, size_t count, struct err *e)
{
	SCOPED(free_at) char *id = mem_format("%s-again", f->id);
	struct restore quiet = *f->restore;
	struct restore_data again = {.restore = &quiet,
		.excludes = f->excludes,
		.id = id,
		.run_fd = f->run_fd,
		.run_path = f->run_path};
	int status;

	quiet.operation = NULL;
	again.targets = mem_new((count + 1) * sizeof(*again.targets));
	for (size_t i = 0; i < count; i++)
		again.targets[again.count++] = again_of(list[i]);
	status = count == 0 ? 0 : restore_data_undo_carry_out_again(&again, e);
	f->restore->contents = quiet.contents; /* for the next of them, too */
	if (status != 0 && e->code == ERR_CORRUPT)
		status = restore_data_undo_leave(&again);
	for (size_t i = 0; i < count; i++)
		target_clear(&again.targets[i]);
	free(again.targets);
	return status;
}

/*
 * The restored containers ran: they may have written into what had been equal and was left in
 * place. What they left is made equal to the backup once more, and so to what was there before;
 * then the moves can be undone.  1: not so everywhere, for the backup is damaged.
 * Where the moves are being undone already, the tree has old entries that the backup has not.
 */
static int
mend(struct restore_data *f, struct err *e)
{
	SCOPED(free_at) const struct target **list = mem_new((f->count + 1) * sizeof(*list));
	size_t count = 0;
	int status;

	for (size_t i = 0; i < f->count; i++) {
		const struct target *t = &f->targets[i];

		if (t->patch != NULL && tree_swap_begun(t->patch) && !tree_swap_undoing(t->patch) &&
			restore_data_remains(f->restore, t->container))
			list[count++] = t;
	}
	status = mend_these(f, list, count, e);
	if (status != 1 || count == 1)
		return status;
	for (size_t i = 0; i < count; i++) { /* damage in one is no reason to leave the others */
		struct err of_one;
		const int one = mend_these(f, &list[i], 1, &of_one);

		if (one < 0) {
			*e = of_one;
			return -1;
		}
	}
	return 1;
}

int
restore_data_undo(struct restore_data *f)
{
	const struct target_options options = restore_data_options(f);
	struct err e;
	int status = f->restore->started ? mend(f, &e) : 0;

	if (status != 0)
		log_error("restore: what its containers wrote could not be taken back: %s", e.text);
	if (status < 0)
		return -1;
	for (size_t i = f->count; i-- > 0;)
		if (f->targets[i].active &&
			(restore_data_unlink(f, &f->targets[i], &e) != 0 ||
				target_undo(&f->targets[i], &options, &e) != 0)) {
			log_error("restore: %s: its old content is not back in place (look for "
				  ".fuel-backup-%s there): %s",
				f->targets[i].prefix, options.id, e.text);
			status = -1;
		}
	return status;
}
