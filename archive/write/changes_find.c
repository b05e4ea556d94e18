/* The comparison of a container's tree with the one that it began with. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/attributes.h"
#include "archive/disk/beneath.h"
#include "archive/write/changes_internal.h"
#include "archive/write/content.h"
#include "archive/write/dir_prefetch.h"
#include "archive/write/emit.h"
#include "base/mem.h"
#include "base/scope.h"

/*
 * DEPTH: two descriptors a level; what the base has below that is taken as changed.
 * PIECE: of the files that are read, each.
 */
enum { DEPTH = 200, PIECE = 128 * 1024, OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NONBLOCK };

struct changes_find_finding {
	struct changes *changes;
	int64_t made_ns; /* what was not touched since is as it began; 0: nobody knows */
	struct attributes attributes[2]; /* of the tree's entry, and the base's */
	char *pieces;			 /* two of PIECE, once a file had to be read */
};

/* An entry of both. */
struct twin {
	int fds[2]; /* the folders */
	const char *name;
	struct statx stats[2];
};

/* It went away while it was looked at: then the next look tells more. */
static bool
vanished(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP || number == ESTALE;
}

static int
unreadable(const char *path, const char *name, struct err *e)
{
	(void)err_errno(e, "%.1000s/%.255s cannot be compared with what it began as", path, name);
	e->code = ERR_UNREADABLE;
	return -1;
}

static bool
same_stat(const struct statx *a, const struct statx *b)
{
	const bool directory = S_ISDIR(a->stx_mode);

	return a->stx_mode == b->stx_mode && a->stx_uid == b->stx_uid && a->stx_gid == b->stx_gid &&
	       statx_ns(&a->stx_mtime) == statx_ns(&b->stx_mtime) &&
	       a->stx_rdev_major == b->stx_rdev_major && a->stx_rdev_minor == b->stx_rdev_minor &&
	       (directory || (a->stx_size == b->stx_size && a->stx_nlink == b->stx_nlink));
}

static bool
same_xattrs(struct changes_find_finding *f, const struct twin *t)
{
	struct attributes *a = &f->attributes[0], *b = &f->attributes[1];
	struct err ignored;

	for (int i = 0; i < 2; i++) {
		struct place place;

		if (t->name[0] == '\0')
			place_itself(&place, t->fds[i], true);
		else
			place_below(&place, t->fds[i], t->name);
		if (attributes_read(&f->attributes[i], &place, false, &ignored) != 0)
			return false;
	}
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
			a->xattrs[i].len != b->xattrs[i].len ||
			memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len) != 0)
			return false;
	return true;
}

static bool
same_target(const struct twin *t)
{
	char targets[2][4096];
	const ssize_t a = readlinkat(t->fds[0], t->name, targets[0], sizeof(targets[0]));
	const ssize_t b = readlinkat(t->fds[1], t->name, targets[1], sizeof(targets[1]));

	return a >= 0 && a == b && memcmp(targets[0], targets[1], (size_t)a) == 0;
}

/* What cannot be read here is said by the walk that reads it as changed. */
static bool
same_content(struct changes_find_finding *f, const struct twin *t)
{
	SCOPED(fd_close_at) int a = beneath_file(t->fds[0], t->name, O_RDONLY | O_NONBLOCK);
	SCOPED(fd_close_at) int b = beneath_file(t->fds[1], t->name, O_RDONLY | O_NONBLOCK);
	int64_t at = 0;

	if (a < 0 || b < 0)
		return false;
	if (f->pieces == NULL)
		f->pieces = mem_new(2 * PIECE);
	for (;;) {
		const ssize_t x = content_read(a, f->pieces, PIECE, at);
		const ssize_t y = content_read(b, f->pieces + PIECE, PIECE, at);

		if (x < 0 || x != y || memcmp(f->pieces, f->pieces + PIECE, (size_t)x) != 0)
			return false;
		if (x < PIECE)
			return true;
		at += x;
	}
}

static bool
is_same(struct changes_find_finding *f, const struct twin *t)
{
	const struct statx *a = &t->stats[0], *b = &t->stats[1];
	const int64_t ctime_ns = statx_ns(&a->stx_ctime);

	if (!same_stat(a, b))
		return false;
	if (a->stx_ino == b->stx_ino && ctime_ns == statx_ns(&b->stx_ctime))
		return true;
	if (ctime_ns <= f->made_ns)
		return true;
	if (!same_xattrs(f, t))
		return false;
	if (S_ISLNK(a->stx_mode))
		return same_target(t);
	return !S_ISREG(a->stx_mode) || same_content(f, t);
}

static char *
join(const char *path, const char *name)
{
	return path[0] == '\0' ? mem_string(name) : mem_format("%s/%s", path, name);
}

static int compare(struct changes_find_finding *f, int tree_fd, int base_fd, const char *path,
	int depth, bool *ret_any, struct err *e);

/* A folder that both have.  ${ret_any}: something below it changed. */
static int
compare_below(struct changes_find_finding *f, const struct twin *t, const char *path, int depth,
	bool *ret_any, struct err *e)
{
	SCOPED(free_at) char *below = join(path, t->name);
	SCOPED(fd_close_at)
	int tree = beneath_open(t->fds[0], t->name, OPEN_DIR, BENEATH_ONE_MOUNT);
	SCOPED(fd_close_at) int base = -1;

	*ret_any = false;
	if (tree < 0) /* (a mount inside is not crossed) */
		return vanished(errno) || errno == EXDEV ? 0 : unreadable(path, t->name, e);
	if (depth >= DEPTH) {
		changes_add(f->changes, below)->whole = *ret_any = true;
		return 0;
	}
	base = beneath_open(t->fds[1], t->name, OPEN_DIR, BENEATH_ONE_MOUNT);
	if (base < 0)
		return unreadable(path, t->name, e);
	return compare(f, tree, base, below, depth + 1, ret_any, e);
}

/* A name that the tree has: whether a walk meets it. */
static int
compare_name(struct changes_find_finding *f, struct twin *t, bool in_base, const char *path,
	int depth, bool *ret_shown, struct err *e)
{
	bool below = false;

	*ret_shown = false;
	if (look_stat(t->fds[0], t->name, &t->stats[0]) != 0)
		return vanished(errno) ? 0 : unreadable(path, t->name, e);
	if (in_base && look_stat(t->fds[1], t->name, &t->stats[1]) != 0)
		return unreadable(path, t->name, e);
	if (S_ISDIR(t->stats[0].stx_mode)) {
		if (!in_base || !S_ISDIR(t->stats[1].stx_mode)) {
			SCOPED(free_at) char *below_path = join(path, t->name);

			changes_add(f->changes, below_path)->whole = *ret_shown = true;
			return 0;
		}
		if (compare_below(f, t, path, depth, &below, e) != 0)
			return -1;
	}
	*ret_shown = below || !in_base || !is_same(f, t);
	return 0;
}

static int
add_gone(struct changes_find_finding *f, struct changes_folder *found, int base_fd,
	const char *name, const char *path, struct err *e)
{
	struct statx stat;

	if (look_stat(base_fd, name, &stat) != 0)
		return unreadable(path, name, e);
	if (!S_ISSOCK(stat.stx_mode))
		changes_add_name(f->changes, found, name, true, statx_ns(&stat.stx_mtime));
	return 0;
}

/* Both lists are sorted: go through them side by side. */
static int
compare_lists(struct changes_find_finding *f, int tree_fd, int base_fd, const struct names *lists,
	struct changes_folder *found, int depth, struct err *e)
{
	size_t i = 0, k = 0;

	while (i < lists[0].count || k < lists[1].count) {
		const int order = i == lists[0].count ? 1
				  : k == lists[1].count
					  ? -1
					  : strcmp(lists[0].list[i].text, lists[1].list[k].text);
		struct twin t = {.fds = {tree_fd, base_fd}};
		bool shown;

		if (order > 0) {
			if (add_gone(f, found, base_fd, lists[1].list[k++].text, found->path, e) !=
				0)
				return -1;
			continue;
		}
		t.name = lists[0].list[i++].text;
		k += order == 0;
		if (compare_name(f, &t, order == 0, found->path, depth, &shown, e) != 0)
			return -1;
		if (shown)
			changes_add_name(f->changes, found, t.name, false, 0);
		if (f->changes->names > CHANGES_MAX)
			return err_set(
				e, ERR_TOO_LARGE, "more than %d entries changed", CHANGES_MAX);
	}
	return 0;
}

static int
compare(struct changes_find_finding *f, int tree_fd, int base_fd, const char *path, int depth,
	bool *ret_any, struct err *e)
{
	struct changes_folder found = {.path = mem_string(path)};
	struct names lists[2] = {0};
	int status = names_read(tree_fd, false, &lists[0], e);

	if (status != 0 && e->number == ENOENT) /* removed since it was opened */
		status = 0;
	else if (status == 0)
		status = names_read(base_fd, false, &lists[1], e);
	if (status == 0)
		status = compare_lists(f, tree_fd, base_fd, lists, &found, depth, e);
	names_free(&lists[0]);
	names_free(&lists[1]);
	*ret_any = found.count > 0;
	if (status != 0 || found.count == 0) {
		changes_folder_clear(&found);
		return status;
	}
	struct changes_folder *added = changes_add(f->changes, "");

	free(added->path);
	*added = found;
	return 0;
}

/* When the file behind ${fd} was made; 0 where there is none, or its file system does not tell. */
static int64_t
born_ns(int fd)
{
	struct statx stat;

	return fd >= 0 && look_stat(fd, "", &stat) == 0 && (stat.stx_mask & STATX_BTIME) != 0
		       ? statx_ns(&stat.stx_btime)
		       : 0;
}

int
changes_find(const struct changes_options *o, struct changes **ret_changes, struct err *e)
{
	SCOPED(changes_free_at) struct changes *c = mem_new(sizeof(*c));
	SCOPED(fd_close_at) int tree = beneath_open(o->root_fd, "", OPEN_DIR, BENEATH_ONE_MOUNT);
	SCOPED(fd_close_at) int base = beneath_open(o->base_fd, "", OPEN_DIR, BENEATH_ONE_MOUNT);
	struct changes_find_finding f = {.changes = c, .made_ns = born_ns(o->born_fd)};
	bool any;
	int status;

	if (tree < 0 || base < 0)
		return unreadable("", "", e);
	attributes_init(&f.attributes[0]);
	attributes_init(&f.attributes[1]);
	status = compare(&f, tree, base, "", 0, &any, e);
	attributes_free(&f.attributes[0]);
	attributes_free(&f.attributes[1]);
	free(f.pieces);
	if (status != 0)
		return -1;
	changes_sort(c);
	*ret_changes = TAKE(c);
	return 0;
}
