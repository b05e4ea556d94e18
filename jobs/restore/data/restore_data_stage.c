/* What differs is found, put beside the old, and swapped. */
#include <stdlib.h>
#include <string.h>

#include "archive/restore/small_file_writer.h"
#include "base/scope.h"
#include "jobs/content/id_map.h"
#include "jobs/restore/data/restore_data_internal.h"

static void
target_offsets_free(struct target_offsets *o)
{
	free(o->list);
}

/* The target that holds ${path} most closely, or NULL. */
struct target *
restore_data_target_of(struct restore_data *f, const char *path)
{
	size_t longest = 0;

	if (f->last != NULL && !f->last->nested && target_holds(f->last, path) > 0)
		return f->last;
	f->last = NULL;
	for (size_t i = 0; i < f->count; i++) {
		const size_t len = target_holds(&f->targets[i], path);

		if (len > longest) {
			longest = len;
			f->last = &f->targets[i];
		}
	}
	return f->last;
}

/* The target that takes ${m}; NULL: none. */
static struct target *
taker(struct restore_data *f, const struct member *m)
{
	struct target *t = restore_data_target_of(f, m->path);

	/* It is restored by its other name, or cannot be. */
	if (t != NULL && (t->twin != NULL || t->unknown))
		return NULL;
	return t != NULL && !f->restore->request->astute && restore_data_is_astute(t, m->path)
		       ? NULL
		       : t;
}

static int
compare_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct target *t = taker(ctx, m);

	return t == NULL ? 0 : target_compare(t, m, r, e);
}

static void
remember_astute(struct restore_data *f, const struct member *m, const struct reader *r)
{
	struct target *t = restore_data_target_of(f, m->path);

	if (t == NULL || !restore_data_is_astute(t, m->path))
		return;
	f->astute_in = t;
	f->astute_at = reader_place(r).header;
	t->same = true; /* until it is compared, if it is itself a target */
}

/* What is written only after containers were stopped. */
static bool
restore_data_stage_is_late(const struct target *t)
{
	return t->way != TARGET_TREE || (t->container != NULL && t->absent);
}

/*
 * No container stops for a backup that is damaged where it is needed: what differs is read when it
 * is put beside the old, before the stop; and what comes after the stop is read here.  What is
 * equal need not be read: whoever writes to it until the stop makes it differ then.
 */
static int
compare_first(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	remember_astute(ctx, m, r);

	struct target *t = taker(ctx, m);

	if (t == NULL)
		return 0;
	return target_compare(t, m, r, e) != 0 ? -1
	       : restore_data_stage_is_late(t) ? contents_drain(r, e)
					       : 0;
}

static int
restore_data_stage_put_back(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct restore_data *f = ctx;
	struct target *t = taker(f, m);

	if (f->restore->operation != NULL) {
		if (operation_check(f->restore->operation, e) != 0)
			return -1;
		operation_advance(f->restore->operation, 0, 1);
	}
	return t == NULL ? 0 : target_member(t, m, r, e);
}

static int
ascending(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Hand the members of ${offsets} to ${visit}. */
static int
restore_data_stage_pick(
	struct restore_data *f, struct target_offsets *o, contents_visit *visit, struct err *e)
{
	const struct restore_request *request = f->restore->request;
	const struct contents_pick wanted = {o->list, o->count};
	SCOPED(id_map_visit_free) struct id_map_visit mapped = {0};

	if (o->count == 0)
		return 0;
	qsort(o->list, o->count, sizeof(*o->list), ascending);
	if (id_map_visit_by(&mapped, request->engine, f->restore->contents, visit, f, e) != 0)
		return -1;
	return contents_pick(request->store, request->backup, f->restore->operation, &wanted,
		id_map_visit, &mapped, e);
}

/* What was asked for by name is in the backup. */
static int
check_parts(const struct target *t, struct err *e)
{
	for (char *const *part = t->parts; part != NULL && *part != NULL; part++)
		if (member_index_find(tree_diff_ledger(t->differ), *part, strlen(*part)) ==
			MEMBER_INDEX_NONE)
			return err_set(e, ERR_NOT_FOUND, "the backup has no %.200s/%.1000s",
				t->prefix, *part);
	return 0;
}

int
restore_data_compare(struct restore_data *f, struct err *e)
{
	const struct restore_request *request = f->restore->request;
	SCOPED(id_map_visit_free) struct id_map_visit mapped = {0};

	if (id_map_visit_by(&mapped, request->engine, f->restore->contents, compare_first, f, e) !=
		0)
		return -1;
	if (contents_skim(request->store, request->backup, f->restore->operation, id_map_visit,
		    &mapped, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (f->targets[i].twin != NULL || f->targets[i].unknown)
			continue;
		if (check_parts(&f->targets[i], e) != 0)
			return -1;
		if (target_survey(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
		f->targets[i].active =
			target_differs(&f->targets[i]) || json_array_size(f->targets[i].relink) > 0;
	}
	return 0;
}

/* Once: how many were wanted, or -1. */
static ssize_t
put_wanted(struct restore_data *f, enum beside what, struct err *e)
{
	SCOPED(target_offsets_free) struct target_offsets wanted = {0};

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (t->active && !t->absent && (what == BESIDE_ALL || t->way == TARGET_TREE))
			target_wanted(t, what != BESIDE_LIVE, &wanted);
	}
	return restore_data_stage_pick(f, &wanted, restore_data_stage_put_back, e) != 0
		       ? -1
		       : (ssize_t)wanted.count;
}

int
restore_data_put_beside(struct restore_data *f, enum beside what, struct err *e)
{
	ssize_t status = put_wanted(f, what, e);
	struct err late;

	if (status > 0) /* as a whole, what it was not worth to write in place */
		status = put_wanted(f, what, e);
	if (small_file_writer_settle(f->scribe, status < 0 ? &late : e) != 0)
		return -1;
	return status < 0 ? -1 : 0;
}

int
restore_data_begin(struct restore_data *f, bool container, struct err *e)
{
	const struct target_options options = restore_data_options(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];
		const bool after = t->container != NULL && t->absent;

		if (!t->active || after != container || t->way != TARGET_TREE)
			continue;
		target_found(t);
		if (target_begin(t, &options, e) != 0)
			return err_prefix(e, "%s", t->prefix);
	}
	return 0;
}

int
restore_data_lend(struct restore_data *f, struct err *e)
{
	return restore_data_lend_targets(f, 1, restore_data_is_made_before, e);
}

int
restore_data_stage(struct restore_data *f, struct err *e)
{
	return restore_data_begin(f, false, e) != 0 ? -1
						    : restore_data_put_beside(f, BESIDE_LIVE, e);
}

/* What may have changed since it was compared. */
static int
compare_again(struct restore_data *f, struct err *e)
{
	SCOPED(target_offsets_free) struct target_offsets again = {0};
	const struct target_options options = restore_data_options(f);

	for (size_t i = 0; i < f->count; i++) {
		if (!f->targets[i].active)
			continue;
		if (target_survey(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
		target_again(&f->targets[i], &again);
	}
	if (restore_data_stage_pick(f, &again, compare_member, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (!f->targets[i].active || f->targets[i].way != TARGET_TREE)
			continue;
		member_index_settle(tree_diff_ledger(f->targets[i].differ));
		if (target_again_all(&f->targets[i], &options, e) < 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	}
	return 0;
}

static int
begin_files(struct restore_data *f, struct err *e)
{
	const struct target_options options = restore_data_options(f);

	for (size_t i = 0; i < f->count; i++) {
		struct target *t = &f->targets[i];

		if (!t->active || t->way == TARGET_TREE)
			continue;
		t->absent = false;
		if (target_begin(t, &options, e) != 0)
			return err_prefix(e, "%s", t->prefix);
	}
	return 0;
}

int
restore_data_extract(struct restore_data *f, struct err *e)
{
	if (restore_data_lend_targets(f, 2, restore_data_is_made_after, e) != 0 ||
		restore_data_begin(f, true, e) != 0 || compare_again(f, e) != 0 ||
		begin_files(f, e) != 0 || restore_data_put_beside(f, BESIDE_ALL, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_ready(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
restore_data_swap(struct restore_data *f, struct err *e)
{
	if (restore_data_relink(f, e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_swap(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
restore_data_sync(const struct restore_data *f, struct err *e)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_sync(&f->targets[i], e) != 0)
			return err_prefix(e, "%s", f->targets[i].prefix);
	return 0;
}

int
restore_data_finish(struct restore_data *f, struct err *e)
{
	const struct target_options options = restore_data_options(f);
	int status = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->targets[i].active && target_finish(&f->targets[i], &options, e) != 0)
			status = err_prefix(e, "%s", f->targets[i].prefix);
	return status;
}
