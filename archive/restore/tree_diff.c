#include "archive/restore/tree_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/restore/tree_diff_internal.h"
#include "archive/write/changes.h"
#include "archive/write/emit.h"
#include "archive/write/walk.h"
#include "base/mem.h"
#include "base/scope.h"

static const char whiteout[] = ".wh.", opaque[] = ".wh..wh..opq";

/* The clock that files are stamped by has ticks of 4 ms, 10 ms at the most. */
static const int64_t MARGIN_NS = 20 * 1000 * 1000;

static const char *
tree_diff_below(const struct tree_diff *d, const char *path)
{
	const size_t len = strlen(d->prefix);

	if (strncmp(path, d->prefix, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	return path[len] == '\0' ? "" : path + len + 1;
}

/* Note that ${path} stays, and that the folders above have to stay for it. */
static int
tree_diff_hold(struct tree_diff *d, const char *path, struct err *e)
{
	SCOPED(free_at) char *above = mem_string(path);

	if (d->held.count >= TREE_DIFF_HELD_MAX)
		return err_set(e, ERR_TOO_LARGE,
			"more than %d excluded entries and folders above them would have to be "
			"kept; exclude the folders that hold them",
			TREE_DIFF_HELD_MAX);
	for (char *at = above; (at = strchr(at, '/')) != NULL; *at++ = '/') {
		*at = '\0';

		const uint32_t folder =
			member_index_put(&d->held, above); /* which may move them all */

		d->held.entries[folder].flags |= MEMBER_INDEX_DIR;
	}
	const uint32_t number = member_index_put(&d->held, path);

	d->held.entries[number].flags |= MEMBER_INDEX_HELD;
	return 0;
}

static int
tree_diff_left_out(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	struct tree_diff *d = ctx;

	/* More than fit are not named, and left alone all the same. */
	if (n == SEGMENT_MOUNT)
		(void)buf_format(&d->mounts, "%s%s", d->mounts.len == 0 ? "" : ", ", path);
	return tree_diff_hold(d, path, e);
}

/* T, then the file system is told to notice each store that comes later. */
static int
take_time(struct tree_diff *d, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(d->tree.root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	d->since_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec - MARGIN_NS;
	d->steady = tree_cacheable(d->tree.root_fd);
	return fd < 0 || syncfs(fd) != 0 ? err_errno(e, "%s", d->prefix) : 0;
}

int
tree_diff_open(
	const struct tree_diff_options *options, struct tree_diff **ret_differ, struct err *e)
{
	SCOPED(tree_diff_close_at) struct tree_diff *d = mem_new(sizeof(*d));
	struct stat st;

	d->tree = options->tree;
	d->prefix = mem_string(options->tree.prefix);
	d->tree.prefix = d->prefix;
	d->absent = options->absent;
	d->trusted_here = options->trusted_here;
	d->parts = options->parts;
	d->by_id = true;
	d->parent_fd = -1;
	d->buffer = mem_new(TREE_DIFF_BUFFER);
	d->mounts = (struct buf)BUF_INIT(TREE_DIFF_MOUNTS_MAX);
	attributes_init(&d->attributes);
	for (char **path = options->veiled; path != NULL && *path != NULL; path++) {
		const uint32_t number = member_index_put(&d->veiled, *path);

		d->veiled.entries[number].flags = MEMBER_INDEX_VEILED;
	}
	if (!d->absent) {
		if (take_time(d, e) != 0 || tree_left_out(&d->tree, tree_diff_left_out, d, e) != 0)
			return -1;
		if (options->except != NULL &&
			fstatat(d->tree.root_fd, options->except, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			tree_diff_hold(d, options->except, e) != 0)
			return -1;
	}
	*ret_differ = TAKE(d);
	return 0;
}

void
tree_diff_close(struct tree_diff *d)
{
	if (d == NULL)
		return;
	member_index_free(&d->ledger);
	member_index_free(&d->held);
	member_index_free(&d->veiled);
	links_free(&d->links);
	attributes_free(&d->attributes);
	fd_close_at(&d->parent_fd);
	free(d->parent);
	free(d->prefix);
	free(d->buffer);
	buf_free(&d->mounts);
	free(d);
}

void
tree_diff_close_at(struct tree_diff **d)
{
	tree_diff_close(*d);
}

void
tree_diff_move(struct tree_diff *d, int root_fd)
{
	d->tree.root_fd = root_fd;
	d->absent = false;
	fd_close_at(&d->parent_fd);
	d->parent_fd = -1;
	free(d->parent);
	d->parent = NULL;
}

const char *
tree_diff_mounts(const struct tree_diff *d)
{
	return d->mounts.len == 0 ? NULL : d->mounts.data;
}

void
tree_diff_on(struct tree_diff *d, tree_diff_tell *tell, void *ctx)
{
	d->tell = tell;
	d->ctx = ctx;
}

struct member_index *
tree_diff_ledger(struct tree_diff *d)
{
	return &d->ledger;
}

/* The path on disk of the member ${path}, relative to the root; the caller's.  NULL: not of this
 * tree.  ${ret_mark}: what a layer's name says. */
static char *
tree_diff_path_of(const struct tree_diff *d, const char *path, enum walk_kind *ret_kind)
{
	const char *relative = tree_diff_below(d, path);
	const char *slash = relative == NULL ? NULL : strrchr(relative, '/');
	const char *name = slash == NULL ? relative : slash + 1;

	*ret_kind = WALK_PLAIN;
	if (relative == NULL)
		return NULL;
	if (!d->tree.layer || strncmp(name, whiteout, strlen(whiteout)) != 0)
		return mem_string(relative);
	*ret_kind = strcmp(name, opaque) == 0 ? WALK_OPAQUE : WALK_WHITEOUT;
	return *ret_kind == WALK_OPAQUE ? mem_string(relative)
					: mem_format("%.*s%s", (int)(name - relative), relative,
						  name + strlen(whiteout));
}

bool
tree_diff_steady(const struct tree_diff *d)
{
	return d->steady;
}

bool
tree_diff_touched(const struct tree_diff *d, const struct statx *st)
{
	return !d->steady || statx_ns(&st->stx_mtime) >= d->since_ns ||
	       statx_ns(&st->stx_ctime) >= d->since_ns;
}

uint32_t
tree_diff_number(const struct tree_diff *d, const char *path)
{
	enum walk_kind kind;
	SCOPED(free_at) char *real = tree_diff_path_of(d, path, &kind);

	return real == NULL ? MEMBER_INDEX_NONE : member_index_find(&d->ledger, real, strlen(real));
}

static int
tell(struct tree_diff *d, const struct tree_diff_notice *n, struct err *e)
{
	return d->tell == NULL ? 0 : d->tell(d->ctx, n, e);
}

/* The folder of the mark ${x} hides what its image has.  A whole tree has nothing to hide, but may
 * hold what should be hidden: so all of it is looked at. */
static void
show_all(struct tree_diff *d, const struct member_index_entry *x, const char *path)
{
	const char *slash = strrchr(path, '/');
	SCOPED(free_at) char *folder = mem_copy(path, slash == NULL ? 0 : (size_t)(slash - path));

	if (d->tree.changes != NULL)
		changes_show(d->tree.changes, folder);
	else if (x->parent != MEMBER_INDEX_NONE)
		d->ledger.entries[x->parent].flags |= MEMBER_INDEX_OPAQUE;
}

/* What the archive's member is, apart from being there. */
static int
tree_diff_enter(struct tree_diff *d, const struct member *m, enum walk_kind kind, const char *path,
	uint32_t *ret_number, struct err *e)
{
	const uint32_t number = member_index_put(&d->ledger, path);
	struct member_index_entry *x;

	if (number == MEMBER_INDEX_NONE)
		return err_set(
			e, ERR_TOO_LARGE, "%s: more than %d members", d->prefix, MEMBER_INDEX_MAX);
	x = &d->ledger.entries[number];
	if (x->parent == MEMBER_INDEX_NONE && path[0] != '\0')
		return err_set(e, ERR_CORRUPT, "%s: its folder is none in the archive", m->path);
	x->flags &= MEMBER_INDEX_STAGED | MEMBER_INDEX_STAYS | MEMBER_INDEX_DRESS |
		    MEMBER_INDEX_SEEN | MEMBER_INDEX_OPAQUE | MEMBER_INDEX_CHANGED |
		    MEMBER_INDEX_ADDED | MEMBER_INDEX_LOST | MEMBER_INDEX_LINKED |
		    MEMBER_INDEX_DELTA | MEMBER_INDEX_WHOLE | MEMBER_INDEX_PLACED;
	if (m->type == MEMBER_DIR && kind == WALK_PLAIN)
		x->flags |= MEMBER_INDEX_DIR;
	if (kind == WALK_OPAQUE) {
		x->flags |= MEMBER_INDEX_MARK | MEMBER_INDEX_EQUAL;
		show_all(d, x, path);
	}
	if (m->type == MEMBER_LINK) {
		x->link = tree_diff_number(d, m->link);
		if (x->link == MEMBER_INDEX_NONE || x->link >= number)
			return err_set(
				e, ERR_CORRUPT, "%s is a link out of %s", m->path, d->prefix);
		d->ledger.entries[x->link].flags |= MEMBER_INDEX_LINKED;
	}
	*ret_number = number;
	return 0;
}

/* Whether the tree's own stays at ${path}; ERR_CONFLICT where both cannot be. */
static int
is_held(const struct tree_diff *d, const char *path, const struct member_index_entry *x,
	struct err *e)
{
	const uint32_t held = member_index_find(&d->held, path, strlen(path));

	if (x->parent != MEMBER_INDEX_NONE &&
		(d->ledger.entries[x->parent].flags & MEMBER_INDEX_HELD) != 0)
		return 1;
	if (held == MEMBER_INDEX_NONE)
		return 0;
	if ((d->held.entries[held].flags & MEMBER_INDEX_HELD) != 0)
		return 1;
	if ((x->flags & (MEMBER_INDEX_DIR | MEMBER_INDEX_MARK)) != 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%s/%s is a file in the backup, and now a folder with something in it that is "
		"excluded: move it away",
		d->prefix, path);
}

enum tree_diff_place
tree_diff_place(const struct tree_diff *d, const char *path)
{
	const size_t len = strlen(path);
	enum tree_diff_place place = d->parts == NULL ? PLACE_IN : PLACE_OUT;

	for (char *const *part = d->parts; part != NULL && *part != NULL; part++) {
		const size_t part_len = strlen(*part);

		if (strncmp(path, *part, part_len) == 0 &&
			(path[part_len] == '\0' || path[part_len] == '/'))
			return PLACE_IN;
		if (len == 0 || (strncmp(path, *part, len) == 0 && (*part)[len] == '/'))
			place = PLACE_ABOVE;
	}
	return place;
}

/* What is not asked for stays; a folder above what is stays as it looks, if it is there. */
static int
set_place(const struct tree_diff *d, const struct member *m, const char *path,
	struct member_index_entry *x, struct err *e)
{
	const enum tree_diff_place place = tree_diff_place(d, path);

	if (place == PLACE_OUT)
		x->flags |= MEMBER_INDEX_HELD | MEMBER_INDEX_EQUAL;
	if (place == PLACE_ABOVE)
		x->flags |= MEMBER_INDEX_ABOVE;
	if (place != PLACE_IN || x->link == MEMBER_INDEX_NONE ||
		(d->ledger.entries[x->link].flags & MEMBER_INDEX_HELD) == 0)
		return 0;
	return err_set(e, ERR_CONFLICT,
		"%s is a second name of %s: restore that, too, or the folder of both", m->path,
		m->link);
}

/* Say once what is missing or other. */
static int
tell_found(struct tree_diff *d, const struct member *m, const char *path,
	struct member_index_entry *x, bool there, bool same, struct err *e)
{
	const struct tree_diff_notice n = {.change = there ? TREE_DIFF_CHANGED : TREE_DIFF_ADDED,
		.path = path,
		.directory = m->type == MEMBER_DIR,
		.whole = true,
		.bytes = m->type == MEMBER_FILE ? m->size : 0};

	if (same || (x->flags & (MEMBER_INDEX_CHANGED | MEMBER_INDEX_ADDED)) != 0)
		return 0;
	x->flags |= there ? MEMBER_INDEX_CHANGED : MEMBER_INDEX_ADDED;
	return tell(d, &n, e);
}

int
tree_diff_member(struct tree_diff *d, const struct member *m, struct reader *r, struct err *e)
{
	enum walk_kind kind;
	SCOPED(free_at) char *path = tree_diff_path_of(d, m->path, &kind);
	struct tree_diff_found found = {0};
	struct member_index_entry *x;
	uint32_t number = MEMBER_INDEX_NONE;
	int held;

	if (path == NULL || (path[0] == '\0' && m->type != MEMBER_DIR))
		return err_set(e, ERR_CORRUPT, "%s does not belong into %s", m->path, d->prefix);
	if (tree_diff_enter(d, m, kind, path, &number, e) != 0)
		return -1;
	x = &d->ledger.entries[number];
	x->at = reader_place(r).header;
	if ((x->flags & MEMBER_INDEX_DIR) != 0 &&
		member_index_find(&d->veiled, path, strlen(path)) != MEMBER_INDEX_NONE)
		x->flags |= MEMBER_INDEX_VEILED;
	if ((held = is_held(d, path, x, e)) < 0 || set_place(d, m, path, x, e) != 0)
		return -1;
	if (held == 1)
		x->flags |= MEMBER_INDEX_HELD | MEMBER_INDEX_EQUAL;
	if ((x->flags & MEMBER_INDEX_HELD) != 0 || kind == WALK_OPAQUE)
		return 0;
	if (!d->absent && tree_diff_compare(d, m, kind, path, x, r, &found, e) != 0)
		return err_prefix(e, "%s", m->path);
	if (d->absent && path[0] == '\0')
		found = (struct tree_diff_found){.there = true, .stays = true};
	x->inode = found.inode;
	found.same = found.same || (found.stays && (x->flags & MEMBER_INDEX_ABOVE) != 0);
	if (found.stays)
		x->flags |= MEMBER_INDEX_EQUAL;
	if (found.stays && !found.same)
		x->flags |= MEMBER_INDEX_DRESS;
	return tell_found(d, m, path, x, found.there, found.same, e);
}

bool
tree_diff_any(const struct tree_diff *d)
{
	for (uint32_t i = 0; i < d->ledger.count; i++) {
		const uint32_t flags = d->ledger.entries[i].flags;

		if ((flags & MEMBER_INDEX_STAYS) == 0 ||
			(flags & (MEMBER_INDEX_DRESS | MEMBER_INDEX_AGAIN)) != 0)
			return true;
	}
	return d->too_much;
}

bool
tree_diff_too_much(const struct tree_diff *d)
{
	return d->too_much;
}
