#include "jobs/restore/data/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/restore/extract.h"
#include "archive/write/changes.h"
#include "archive/write/segments.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/restore/data/target_file.h"
#include "jobs/restore/data/target_place.h"
#include "jobs/restore/state/selection.h"

int
target_root(const struct target *t)
{
	return t->root_fd >= 0 ? t->root_fd : lender_fd(t->lender, t->number);
}

size_t
target_holds(const struct target *t, const char *path)
{
	const size_t len = strlen(t->prefix);

	return strncmp(path, t->prefix, len) == 0 && (path[len] == '\0' || path[len] == '/') ? len
											     : 0;
}

/* A file system may take only shorter names than that which the backup is of. */
static void
note_name(struct target *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	const size_t len = strlen(slash == NULL ? path : slash + 1);

	if (len <= t->longest)
		return;
	t->longest = len;
	free(t->longest_path);
	t->longest_path = mem_string(path);
}

int
target_compare(struct target *t, const struct member *m, struct reader *r, struct err *e)
{
	int same;

	note_name(t, m->path);

	if (t->way == TARGET_TREE)
		return tree_diff_member(t->differ, m, r, e);
	t->at = reader_place(r).header;
	t->size = m->size;
	if (t->way == TARGET_MAKE)
		return 0;
	if ((same = tree_diff_file(target_root(t), m, r, e)) < 0)
		return -1;
	t->same = same == 1;
	return 0;
}

int
target_survey(struct target *t, struct err *e)
{
	return t->way == TARGET_TREE ? tree_diff_survey(t->differ, e) : 0;
}

bool
target_differs(const struct target *t)
{
	return t->way == TARGET_TREE ? tree_diff_any(t->differ) : !t->same;
}

int
target_count(void *ctx, const struct tree_diff_notice *n, struct err *e)
{
	struct target *t = ctx;

	(void)e;
	if (n->emptied)
		return 0;
	t->counts[n->change]++;
	t->bytes[n->change] += n->bytes;
	if (n->change == TREE_DIFF_CHANGED && n->bytes < t->in_place_from)
		t->small_bytes += n->bytes;
	return 0;
}

void
target_found(struct target *t)
{
	if (!t->absent)
		return;
	t->absent = false;
	/* What a fresh whole tree has is what its image has: nothing that was restored. */
	if (t->way == TARGET_TREE && t->form != LAYER_TREE)
		tree_diff_move(t->differ, target_root(t));
}

static void
target_add(struct target_offsets *o, int64_t at)
{
	if (o->count == o->room) {
		o->room = o->room == 0 ? 256 : 2 * o->room;
		o->list = mem_array(o->list, o->room, sizeof(*o->list));
	}
	o->list[o->count++] = at;
}

void
target_again(const struct target *t, struct target_offsets *offsets)
{
	const struct member_index *l = t->way == TARGET_TREE ? tree_diff_ledger(t->differ) : NULL;

	if (t->way == TARGET_OVERWRITE)
		target_add(offsets, t->at);
	for (uint32_t i = 0; l != NULL && i < l->count; i++)
		if ((l->entries[i].flags & (MEMBER_INDEX_AGAIN | MEMBER_INDEX_DELTA)) ==
			MEMBER_INDEX_AGAIN)
			target_add(offsets, l->entries[i].at);
}

/* A folder that stays is wanted for its attributes. */
static bool
is_wanted(const struct member_index_entry *x)
{
	if ((x->flags & (MEMBER_INDEX_STAGED | MEMBER_INDEX_HELD)) != 0)
		return false;
	return (x->flags & MEMBER_INDEX_STAYS) == 0 ||
	       (x->flags & (MEMBER_INDEX_DIR | MEMBER_INDEX_DRESS | MEMBER_INDEX_ABOVE)) ==
		       (MEMBER_INDEX_DIR | MEMBER_INDEX_DRESS);
}

static bool
links_to_what_stays(const struct member_index *l, const struct member_index_entry *x)
{
	return x->link != MEMBER_INDEX_NONE &&
	       (l->entries[x->link].flags & MEMBER_INDEX_STAYS) != 0;
}

void
target_wanted(const struct target *t, bool still, struct target_offsets *offsets)
{
	const struct member_index *l = t->way == TARGET_TREE ? tree_diff_ledger(t->differ) : NULL;

	if (l == NULL && !t->same)
		target_add(offsets, t->at);
	for (uint32_t i = 0; l != NULL && i < l->count; i++)
		if (is_wanted(&l->entries[i]) && (still || !links_to_what_stays(l, &l->entries[i])))
			target_add(offsets, l->entries[i].at);
}

static int
target_mark_opaque(void *ctx, const char *path, struct err *e)
{
	const struct target *t = ctx;
	SCOPED(free_at) char *full = mem_format("%s/%s", tree_swap_name(t->patch), path);

	return lender_set_opaque(t->lender, t->number, full, e);
}

static bool
is_kept(void *ctx, const char *path)
{
	const struct target *t = ctx;
	const struct member_index *l = tree_diff_ledger(t->differ);
	const uint32_t number = member_index_find(l, path, strlen(path));

	return number != MEMBER_INDEX_NONE && (l->entries[number].flags & MEMBER_INDEX_STAYS) != 0;
}

/* Into a whole tree that nobody uses yet, over what it began with. */
static int
begin_fresh(struct target *t, const struct target_options *o, struct err *e)
{
	const struct extract_options options = {
		.prefix = t->prefix, .layer = true, .merge = true, .scribe = o->scribe};

	return extract_open(target_root(t), &options, &t->extract, e);
}

static int
begin_tree(struct target *t, const struct target_options *o, struct err *e)
{
	const struct extract_options options = {.prefix = t->prefix,
		.layer = t->container != NULL,
		.opaque = target_mark_opaque,
		.ctx = t,
		.sparse = true,
		.kept = is_kept,
		.scribe = o->scribe,
		.old_fd = target_root(t)};

	struct member_index *l = tree_diff_ledger(t->differ);

	if (t->form == LAYER_TREE)
		return begin_fresh(t, o, e);
	t->in_place_from = o->in_place_from;
	for (uint32_t i = 0; i < l->count; i++)
		l->entries[i].flags &= ~(uint32_t)MEMBER_INDEX_LOST;
	if (tree_swap_open(target_root(t), lender_fd(t->lender, t->number), o->id, &t->patch, e) !=
		0)
		return -1;
	if (t->trusted && tree_swap_trust(t->patch, t->container != NULL, e) != 0)
		return -1;
	return extract_open(tree_swap_fd(t->patch), &options, &t->extract, e);
}

/* The prefix of the folder that holds the file. */
static int
begin_make(struct target *t, struct err *e)
{
	SCOPED(free_at) char *prefix = mem_string(t->prefix);
	const struct extract_options options = {.prefix = prefix};

	*strrchr(prefix, '/') = '\0';
	return extract_open(target_root(t), &options, &t->extract, e);
}

int
target_begin(struct target *t, const struct target_options *options, struct err *e)
{
	switch (t->way) {
	case TARGET_TREE:
		return begin_tree(t, options, e);
	case TARGET_OVERWRITE:
		return target_file_save(t, options->run_fd, e);
	case TARGET_MAKE:
		break;
	}
	return begin_make(t, e);
}

char *
target_path_on_disk(const struct target *t, const char *path)
{
	const char *relative = path + strlen(t->prefix) + (path[strlen(t->prefix)] == '/');
	const char *slash = strrchr(relative, '/');
	const char *name = slash == NULL ? relative : slash + 1;

	return t->container == NULL || strncmp(name, ".wh.", 4) != 0
		       ? mem_string(relative)
		       : mem_format("%.*s%s", (int)(name - relative), relative, name + 4);
}

/* The folder of ${path} is not asked for: it keeps what it looks like. */
static int
note_above(struct target *t, uint32_t parent, const char *path, struct err *e)
{
	const uint32_t keep = MEMBER_INDEX_ABOVE | MEMBER_INDEX_STAYS;
	struct member_index_entry *x =
		parent == MEMBER_INDEX_NONE ? NULL : &tree_diff_ledger(t->differ)->entries[parent];
	const char *slash = strrchr(path, '/');
	SCOPED(free_at) char *folder = mem_copy(path, slash == NULL ? 0 : (size_t)(slash - path));

	if (x == NULL || (x->flags & (keep | MEMBER_INDEX_NOTED)) != keep)
		return 0;
	x->flags |= MEMBER_INDEX_NOTED;
	return tree_swap_note(t->patch, TREE_SWAP_KEEP, folder, e);
}

/* Note in the journal what is to be done with what is beside now. */
static int
note_staged(struct target *t, const struct member *m, struct member_index_entry *x, struct err *e)
{
	const struct member_index *l = tree_diff_ledger(t->differ);
	const bool stays = (x->flags & MEMBER_INDEX_STAYS) != 0;
	const bool whole = x->parent == MEMBER_INDEX_NONE ||
			   (l->entries[x->parent].flags & MEMBER_INDEX_STAYS) != 0;
	SCOPED(free_at) char *path = target_path_on_disk(t, m->path);

	if ((x->flags & MEMBER_INDEX_DELTA) != 0 && tree_swap_delta_drop(t->patch, path, e) != 0)
		return -1;
	x->flags &= ~(uint32_t)MEMBER_INDEX_DELTA;
	x->flags |= MEMBER_INDEX_STAGED;
	if (t->patch == NULL) /* it is at its place already */
		return 0;
	if ((x->flags & (MEMBER_INDEX_NOTED | MEMBER_INDEX_MARK)) != 0 || (!stays && !whole))
		return 0;
	x->flags |= MEMBER_INDEX_NOTED;
	if (note_above(t, x->parent, path, e) != 0)
		return -1;
	return tree_swap_note(t->patch, stays ? TREE_SWAP_FOLDER : TREE_SWAP_ENTRY, path, e);
}

int
target_member(struct target *t, const struct member *m, struct reader *r, struct err *e)
{
	uint32_t number;

	if (t->way == TARGET_OVERWRITE) {
		t->same = extract_over_file(target_root(t), m, r, e) == 0;
		return t->same ? 0 : -1;
	}
	t->made = true;
	if (t->way == TARGET_MAKE) {
		t->same = extract_member(t->extract, m, r, e) == 0;
		return t->same ? 0 : -1;
	}
	number = tree_diff_number(t->differ, m->path);
	if (number == MEMBER_INDEX_NONE)
		return err_set(e, ERR_INTERNAL, "%s was not compared", m->path);
	if (target_may_place(t, m, number))
		return target_place(t, m, number, r, e);
	if (extract_member(t->extract, m, r, e) != 0)
		return -1;
	return note_staged(t, m, &tree_diff_ledger(t->differ)->entries[number], e);
}

int
target_again_all(struct target *t, const struct target_options *o, struct err *e)
{
	struct member_index *l = t->way == TARGET_TREE ? tree_diff_ledger(t->differ) : NULL;
	bool useless = false;

	t->still = true;
	for (uint32_t i = 0; l != NULL && i < l->count; i++) {
		const uint32_t again = MEMBER_INDEX_DELTA | MEMBER_INDEX_AGAIN,
			       lost = MEMBER_INDEX_LOST | MEMBER_INDEX_DIR;

		if ((l->entries[i].flags & again) == again)
			l->entries[i].flags &= ~(uint32_t)MEMBER_INDEX_STAGED;
		useless = useless || (l->entries[i].flags & lost) == lost;
	}
	if (!useless)
		return 0;
	extract_close(t->extract);
	t->extract = NULL;
	if (tree_swap_undo(t->patch, e) != 0)
		return -1;
	tree_swap_close(t->patch);
	t->patch = NULL;
	for (uint32_t i = 0; i < l->count; i++)
		l->entries[i].flags &= ~(uint32_t)(MEMBER_INDEX_STAGED | MEMBER_INDEX_NOTED |
						   MEMBER_INDEX_DELTA | MEMBER_INDEX_PLACED);
	return begin_tree(t, o, e) != 0 ? -1 : 1;
}

static int
note_extra(void *ctx, const struct tree_diff_notice *n, struct err *e)
{
	const struct target *t = ctx;

	if (!n->whole || n->change != TREE_DIFF_DELETED)
		return 0;
	return tree_swap_note(t->patch, n->emptied ? TREE_SWAP_KEEP : TREE_SWAP_DELETE, n->path, e);
}

int
target_ready(struct target *t, struct err *e)
{
	if (t->way != TARGET_TREE || !tree_diff_too_much(t->differ))
		return 0;
	tree_diff_on(t->differ, note_extra, t);
	return tree_diff_survey(t->differ, e);
}

int
target_swap(struct target *t, struct err *e)
{
	if (t->way == TARGET_OVERWRITE || t->extract == NULL)
		return 0;
	if (extract_finish(t->extract, e) != 0)
		return -1;
	return t->patch != NULL ? tree_swap_run(t->patch, e) : 0;
}

int
target_sync(const struct target *t, struct err *e)
{
	return t->extract == NULL ? 0 : extract_sync(t->extract, e);
}

static int
forget_saved(struct target *t, int run_fd, struct err *e)
{
	if (t->saved == NULL || unlinkat(run_fd, t->saved, 0) == 0 || errno == ENOENT)
		return 0;
	return err_errno(e, "run/%s of the store", t->saved);
}

int
target_finish(struct target *t, const struct target_options *options, struct err *e)
{
	if (t->patch != NULL && tree_swap_finish(t->patch, e) != 0)
		return -1;
	return forget_saved(t, options->run_fd, e);
}

int
target_resume(struct target *t, const struct target_options *o, struct err *e)
{
	const int beside = lender_fd(t->lender, t->number);

	switch (t->way) {
	case TARGET_TREE:
		return tree_swap_there(beside, o->id)
			       ? tree_swap_open(target_root(t), beside, o->id, &t->patch, e)
			       : 0;
	case TARGET_OVERWRITE:
		t->saved_fd = openat(o->run_fd, t->saved, O_RDONLY | O_CLOEXEC);
		return t->saved_fd < 0 && errno != ENOENT
			       ? err_errno(e, "run/%s of the store", t->saved)
			       : 0;
	case TARGET_MAKE:
		break;
	}
	t->made = true;
	return 0;
}

int
target_undo(struct target *t, const struct target_options *options, struct err *e)
{
	switch (t->way) {
	case TARGET_TREE:
		return t->patch == NULL ? 0 : tree_swap_undo(t->patch, e);
	case TARGET_OVERWRITE:
		return target_file_undo(t, e) != 0 ? -1 : forget_saved(t, options->run_fd, e);
	case TARGET_MAKE:
		break;
	}
	if (t->made && unlinkat(target_root(t), strrchr(t->prefix, '/') + 1, 0) != 0 &&
		errno != ENOENT)
		return err_errno(e, "%s", t->path);
	return 0;
}

void
target_clear(struct target *t)
{
	extract_close(t->extract);
	tree_swap_close(t->patch);
	tree_diff_close(t->differ);
	fd_close_at(&t->root_fd);
	fd_close_at(&t->saved_fd);
	free(t->prefix);
	free(t->path);
	free(t->volume);
	free(t->container);
	free(t->saved);
	free(t->longest_path);
	free(t->real);
	free(t->base);
	free(t->born);
	changes_free(t->changes);
	free(t->left);
	hostpath_free(&t->found);
	json_decref(t->above);
	json_decref(t->relink);
	selection_parts_free(t->parts);
}
