/* All that a tree has, beside what the archive has. */
#include <string.h>
#include <sys/stat.h>

#include "archive/restore/differ_parts.h"
#include "archive/write/emit.h"
#include "base/mem.h"
#include "base/scope.h"

static bool
flagged(const struct ledger *l, uint32_t number, uint32_t flags)
{
	return number != LEDGER_NONE && (l->entries[number].flags & flags) != 0;
}

/* What the archive does not have. */
static int
extra(struct differ *d, const struct walk_entry *entry, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	const uint32_t held = ledger_find(&d->held, path, strlen(path));
	const uint32_t parent = ledger_find(&d->ledger, path, len);
	const bool directory = S_ISDIR(entry->stat.stx_mode);
	struct differ_notice n = {.change = DIFFER_DELETED,
		.path = path,
		.directory = directory,
		.bytes = S_ISREG(entry->stat.stx_mode) ? (int64_t)entry->stat.stx_size : 0};

	if (differ_place(d, path) != PLACE_IN)
		return 0;
	if (S_ISSOCK(entry->stat.stx_mode) || flagged(&d->held, held, LEDGER_HELD))
		return 0;
	n.emptied = directory && flagged(&d->held, held, LEDGER_DIR);
	if (flagged(&d->ledger, parent, LEDGER_STAYS)) {
		n.whole = true;
		if (!n.emptied)
			d->ledger.entries[parent].flags |= LEDGER_DRESS;
	} else if (parent == LEDGER_NONE) {
		n.whole = flagged(&d->held, ledger_find(&d->held, path, len), LEDGER_DIR);
	}
	d->too_much = d->too_much || !n.emptied;
	return d->tell == NULL ? 0 : d->tell(d->ctx, &n, e);
}

static int
known(struct differ *d, const struct walk_entry *entry, const char *path, struct ledger_entry *x,
	struct err *e)
{
	x->flags |= LEDGER_SEEN;
	if ((x->flags & (LEDGER_HELD | LEDGER_MARK)) != 0)
		return 0;
	if ((x->flags & LEDGER_DIR) != 0 ? !S_ISDIR(entry->stat.stx_mode)
					 : entry->stat.stx_ino != x->inode)
		x->flags &= ~(uint32_t)LEDGER_EQUAL;
	x->flags &= ~(uint32_t)LEDGER_AGAIN;
	if ((x->flags & (LEDGER_EQUAL | LEDGER_DELTA)) != 0 &&
		(differ_touched(d, &entry->stat) || entry->stat.stx_ino != x->inode))
		x->flags |= LEDGER_AGAIN;
	if ((x->flags & (LEDGER_DIR | LEDGER_ABOVE)) == LEDGER_DIR &&
		((x->flags & LEDGER_OPAQUE) != 0) != ((x->flags & LEDGER_VEILED) != 0) &&
		ledger_find(&d->held, path, strlen(path)) != LEDGER_NONE)
		return err_set(e, ERR_CONFLICT,
			"%s/%s must be replaced and holds something that is excluded: move it away",
			d->prefix, path);
	return 0;
}

static int
meet(void *ctx, const struct walk_entry *entry, struct err *e)
{
	struct differ *d = ctx;
	const struct walk_dir *dir = entry->dir;
	SCOPED(free_at)
	char *path = dir == NULL	    ? mem_string("")
		     : dir->path[0] == '\0' ? mem_string(entry->name)
					    : mem_format("%s/%s", dir->path, entry->name);
	uint32_t number;

	if (entry->kind == WALK_OPAQUE)
		return 0;
	number = ledger_find(&d->ledger, path, strlen(path));
	return number == LEDGER_NONE ? extra(d, entry, path, e)
				     : known(d, entry, path, &d->ledger.entries[number], e);
}

/* What vanishes while everything runs is seen by the next survey, when nothing does. */
static int
notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	(void)path;
	(void)e;
	return segment_notice_odd(n) ? -1 : 0;
}

static void
vanished(struct ledger_entry *x)
{
	x->flags &= ~(uint32_t)LEDGER_EQUAL;
	if ((x->flags & LEDGER_DELTA) != 0)
		x->flags |= LEDGER_AGAIN;
}

int
differ_survey(struct differ *d, struct err *e)
{
	const struct walk_visitor visitor = {meet, notice, d};

	ledger_settle(&d->ledger);
	d->too_much = false;
	for (uint32_t i = 0; i < d->ledger.count; i++)
		d->ledger.entries[i].flags &= ~(uint32_t)LEDGER_SEEN;
	if (!d->absent && (walk_tree(&d->tree, WALK_DIRECTORIES, &visitor, e) != 0 ||
				  walk_tree(&d->tree, WALK_REST, &visitor, e) != 0))
		return -1;
	for (uint32_t i = 1; !d->absent && i < d->ledger.count; i++) {
		struct ledger_entry *x = &d->ledger.entries[i];

		if ((x->flags & (LEDGER_SEEN | LEDGER_MARK | LEDGER_HELD)) == 0)
			vanished(x);
	}
	ledger_settle(&d->ledger);
	return 0;
}
