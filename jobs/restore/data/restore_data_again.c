/* After a crash, what is to be undone or finished may be gone: a volume, a folder, a container.
 * Somebody removed it, and with it what was beside: that is named, and the rest goes on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/volumes.h"
#include "jobs/operations/run_state.h"
#include "jobs/restore/data/restore_data_internal.h"
#include "jobs/sources/roots.h"

/* An error that says nothing of what is there: it is tried again. */
static bool
may_pass(const struct err *e)
{
	return e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED ||
	       e->code == ERR_NO_SPACE;
}

/* The file that an overwritten one was, under a name that nobody removes. */
static void
keep_saved(struct restore_data *f, const struct target *t, const char *why)
{
	SCOPED(free_at) char *kept = mem_format(RUN_STATE_LEFT "%s", t->saved);

	if (t->way == TARGET_OVERWRITE && renameat(f->run_fd, t->saved, f->run_fd, kept) == 0)
		restore_left(f->restore, "data", t->prefix, "%s; what was there before is in %s/%s",
			why, f->run_path, kept);
	else
		restore_left(f->restore, "data", t->prefix, "%s", why);
}

static void
restore_data_again_drop(struct restore_data *f, size_t i)
{
	target_clear(&f->targets[i]);
	memmove(&f->targets[i], &f->targets[i + 1], (f->count - i - 1) * sizeof(*f->targets));
	f->count--;
}

/* Whether what ${t} goes to is there. */
static int
is_there(const struct restore_data *f, const struct target *t, bool *ret_there, struct err *e)
{
	const struct restore *r = f->restore;
	SCOPED(json_decref_at) json_t *inspect = NULL;
	SCOPED(free_at) char *folder = NULL;
	SCOPED(roots_host_close)
	struct roots_host host = {r->request->engine, r->self, f->run_path, NULL};

	*ret_there = true;
	if (t->container != NULL) {
		*ret_there = !restore_data_item(r, t->container)->lost;
		return 0;
	}
	if (t->volume != NULL) {
		*ret_there = volumes_inspect(r->request->engine, t->volume, &inspect, e) == 0;
		return *ret_there || e->code == ERR_NOT_FOUND ? 0 : -1;
	}
	if (t->way == TARGET_MAKE)
		folder = mem_copy(t->path, (size_t)(strrchr(t->path, '/') - t->path));
	return roots_host_has(
		&host, folder == NULL || folder[0] == '\0' ? t->path : folder, ret_there, e);
}

static int
drop_what_is_gone(struct restore_data *f, struct err *e)
{
	for (size_t i = f->count; i-- > 0;) {
		struct target *t = &f->targets[i];
		bool there;

		if (is_there(f, t, &there, e) != 0)
			return -1;
		if (there)
			continue;
		if (t->container == NULL && t->way != TARGET_MAKE)
			keep_saved(f, t, "it was removed meanwhile");
		restore_data_again_drop(f, i);
	}
	return 0;
}

static bool
is_next(const struct target *t)
{
	return t->next;
}

/* One by one: what cannot be lent is named. */
static int
lend_each(struct restore_data *f, struct err *e)
{
	f->each_count = f->count;
	f->each = mem_new((f->count + 1) * sizeof(struct lender *));
	for (size_t i = f->count; i-- > 0;) {
		int status;

		f->targets[i].next = true;
		status = restore_data_lend_targets(f, RESTORE_DATA_LENDERS + i, is_next, e);
		f->targets[i].next = false;
		if (status == 0)
			continue;
		if (may_pass(e))
			return -1;
		keep_saved(f, &f->targets[i], e->text);
		restore_data_again_drop(f, i);
	}
	return 0;
}

int
restore_data_lend_again(struct restore_data *f, struct err *e)
{
	if (drop_what_is_gone(f, e) != 0)
		return -1;
	if (restore_data_lend_targets(f, 0, restore_data_is_there, e) == 0)
		return 0;
	if (may_pass(e))
		return -1;
	lender_close(f->lenders[0]);
	f->lenders[0] = NULL;
	for (size_t i = 0; i < f->count; i++) {
		f->targets[i].lender = NULL;
		fd_close_at(&f->targets[i].root_fd);
		f->targets[i].root_fd = -1;
	}
	return lend_each(f, e);
}
