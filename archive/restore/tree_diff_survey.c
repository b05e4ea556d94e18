/* All that a tree has, beside what the archive has. */
#include <string.h>
#include <sys/stat.h>

#include "archive/restore/tree_diff_internal.h"
#include "archive/write/emit.h"
#include "base/mem.h"
#include "base/scope.h"

static bool
flagged(const struct member_index *l, uint32_t number, uint32_t flags)
{
	return number != MEMBER_INDEX_NONE && (l->entries[number].flags & flags) != 0;
}

/* What the archive does not have. */
static int
extra(struct tree_diff *d, const struct walk_entry *entry, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	const uint32_t held = member_index_find(&d->held, path, strlen(path));
	const uint32_t parent = member_index_find(&d->ledger, path, len);
	const bool directory = S_ISDIR(entry->stat.stx_mode);
	struct tree_diff_notice n = {.change = TREE_DIFF_DELETED,
		.path = path,
		.directory = directory,
		.bytes = S_ISREG(entry->stat.stx_mode) ? (int64_t)entry->stat.stx_size : 0};

	if (tree_diff_place(d, path) != PLACE_IN)
		return 0;
	if (S_ISSOCK(entry->stat.stx_mode) || flagged(&d->held, held, MEMBER_INDEX_HELD))
		return 0;
	n.emptied = directory && flagged(&d->held, held, MEMBER_INDEX_DIR);
	if (flagged(&d->ledger, parent, MEMBER_INDEX_STAYS)) {
		n.whole = true;
		if (!n.emptied)
			d->ledger.entries[parent].flags |= MEMBER_INDEX_DRESS;
	} else if (parent == MEMBER_INDEX_NONE) {
		n.whole =
			flagged(&d->held, member_index_find(&d->held, path, len), MEMBER_INDEX_DIR);
	}
	d->too_much = d->too_much || !n.emptied;
	return d->tell == NULL ? 0 : d->tell(d->ctx, &n, e);
}

static int
tree_diff_survey_known(struct tree_diff *d, const struct walk_entry *entry, const char *path,
	struct member_index_entry *x, struct err *e)
{
	x->flags |= MEMBER_INDEX_SEEN;
	if ((x->flags & (MEMBER_INDEX_HELD | MEMBER_INDEX_MARK)) != 0)
		return 0;
	if ((x->flags & MEMBER_INDEX_DIR) != 0 ? !S_ISDIR(entry->stat.stx_mode)
					       : entry->stat.stx_ino != x->inode)
		x->flags &= ~(uint32_t)MEMBER_INDEX_EQUAL;
	x->flags &= ~(uint32_t)MEMBER_INDEX_AGAIN;
	if ((x->flags & (MEMBER_INDEX_EQUAL | MEMBER_INDEX_DELTA)) != 0 &&
		(tree_diff_touched(d, &entry->stat) || entry->stat.stx_ino != x->inode))
		x->flags |= MEMBER_INDEX_AGAIN;
	if ((x->flags & (MEMBER_INDEX_DIR | MEMBER_INDEX_ABOVE)) == MEMBER_INDEX_DIR &&
		((x->flags & MEMBER_INDEX_OPAQUE) != 0) !=
			((x->flags & MEMBER_INDEX_VEILED) != 0) &&
		member_index_find(&d->held, path, strlen(path)) != MEMBER_INDEX_NONE)
		return err_set(e, ERR_CONFLICT,
			"%s/%s must be replaced and holds something that is excluded: move it away",
			d->prefix, path);
	return 0;
}

static int
tree_diff_survey_meet(void *ctx, const struct walk_entry *entry, struct err *e)
{
	struct tree_diff *d = ctx;
	const struct walk_dir *dir = entry->dir;
	SCOPED(free_at)
	char *path = dir == NULL	    ? mem_string("")
		     : dir->path[0] == '\0' ? mem_string(entry->name)
					    : mem_format("%s/%s", dir->path, entry->name);
	uint32_t number;

	if (entry->kind == WALK_OPAQUE)
		return 0;
	number = member_index_find(&d->ledger, path, strlen(path));
	return number == MEMBER_INDEX_NONE
		       ? extra(d, entry, path, e)
		       : tree_diff_survey_known(d, entry, path, &d->ledger.entries[number], e);
}

/* What vanishes while everything runs is seen by the next survey, when nothing does. */
static int
tree_diff_survey_notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	(void)path;
	(void)e;
	return segment_notice_odd(n) ? -1 : 0;
}

static void
vanished(struct member_index_entry *x)
{
	x->flags &= ~(uint32_t)MEMBER_INDEX_EQUAL;
	if ((x->flags & MEMBER_INDEX_DELTA) != 0)
		x->flags |= MEMBER_INDEX_AGAIN;
}

int
tree_diff_survey(struct tree_diff *d, struct err *e)
{
	const struct walk_visitor visitor = {tree_diff_survey_meet, tree_diff_survey_notice, d};

	member_index_settle(&d->ledger);
	d->too_much = false;
	for (uint32_t i = 0; i < d->ledger.count; i++)
		d->ledger.entries[i].flags &= ~(uint32_t)MEMBER_INDEX_SEEN;
	if (!d->absent && (walk_tree(&d->tree, WALK_DIRECTORIES, &visitor, e) != 0 ||
				  walk_tree(&d->tree, WALK_REST, &visitor, e) != 0))
		return -1;
	/* What a whole tree's walk did not meet is as it began: it is what it was compared as. */
	for (uint32_t i = 1; !d->absent && d->tree.changes == NULL && i < d->ledger.count; i++) {
		struct member_index_entry *x = &d->ledger.entries[i];

		if ((x->flags & (MEMBER_INDEX_SEEN | MEMBER_INDEX_MARK | MEMBER_INDEX_HELD)) == 0)
			vanished(x);
	}
	member_index_settle(&d->ledger);
	return 0;
}
