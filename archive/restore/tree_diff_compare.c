/* One entry on disk beside its member. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/disk/devices.h"
#include "archive/restore/tree_diff_internal.h"
#include "archive/tar/buffered_source.h"
#include "archive/write/content.h"
#include "base/mem.h"
#include "base/scope.h"

/* The folder that holds ${path}, kept open for the next one; -1: there is none. */
static int
tree_diff_compare_parent_of(
	struct tree_diff *d, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	*ret_name = slash == NULL ? path : slash + 1;
	*e = (struct err){0};
	if (d->parent != NULL && strlen(d->parent) == len && memcmp(d->parent, path, len) == 0)
		return d->parent_fd;
	fd_close_at(&d->parent_fd);
	free(d->parent);
	d->parent = mem_copy(path, len);
	d->parent_fd =
		beneath_open(d->tree.root_fd, d->parent, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	if (d->parent_fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		(void)err_errno(e, "cannot be compared");
	return d->parent_fd;
}

static int
tree_diff_compare_look(int dir, const char *name, struct stat *ret_stat)
{
	return fstatat(
		dir, name, ret_stat, AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0));
}

static mode_t
tree_diff_compare_type_of(enum member_type type)
{
	switch (type) {
	case MEMBER_FILE:
		return S_IFREG;
	case MEMBER_SYMLINK:
		return S_IFLNK;
	case MEMBER_CHAR:
		return S_IFCHR;
	case MEMBER_BLOCK:
		return S_IFBLK;
	case MEMBER_DIR:
		return S_IFDIR;
	case MEMBER_FIFO:
		return S_IFIFO;
	case MEMBER_LINK:
		break;
	}
	return 0;
}

static bool
same_stat(const struct stat *st, const struct member *m)
{
	const member_time mtime_ns = member_time_of(&st->st_mtim);

	if (st->st_uid != m->uid || st->st_gid != m->gid || mtime_ns != m->mtime_ns)
		return false;
	if (m->type != MEMBER_SYMLINK && (st->st_mode & 07777) != m->mode)
		return false;
	if (m->type == MEMBER_CHAR || m->type == MEMBER_BLOCK)
		return major(st->st_rdev) == m->major && minor(st->st_rdev) == m->minor;
	return m->type != MEMBER_FILE || st->st_size == m->size;
}

/* Which attributes of what is here count beside those of ${m}: a keeper is asked only where there
 * is something to be told. */
static int
attributes_wanted(const struct tree_diff *d, const struct member *m)
{
	int flags = d->tree.layer ? ATTRIBUTES_LAYER : 0;

	if (d->trusted_here || attributes_has_trusted(m))
		flags |= ATTRIBUTES_TRUSTED;
	/* Of what a backup of an earlier version has not got nothing is known. */
	return d->tree.trusted && !d->tree.layer ? flags | ATTRIBUTES_MARKS : flags;
}

/* 1, 0, -1; what vanished meanwhile is not the same. */
static int
same_xattrs(struct tree_diff *d, const struct place *p, const struct member *m, struct err *e)
{
	if (attributes_read(&d->attributes, p, attributes_wanted(d, m), e) != 0)
		return e->number == ENOENT ? 0 : -1;
	return attributes_equal(&d->attributes, m);
}

static int
same_target(int dir, const char *name, const struct member *m)
{
	char target[4096];
	const ssize_t len = readlinkat(dir, name, target, sizeof(target));

	return len >= 0 && (size_t)len < sizeof(target) && strlen(m->link) == (size_t)len &&
	       memcmp(target, m->link, (size_t)len) == 0;
}

/* Whether ${fd} has nothing but zeros from ${at} to ${end}: 1, 0, -1. */
static int
only_zeros(struct tree_diff *d, int fd, int64_t at, int64_t end, struct err *e)
{
	while (at < end) {
		const off_t data = lseek(fd, at, SEEK_DATA);
		ssize_t got;
		size_t len;

		if (data < 0 && errno == ENXIO)
			return 1; /* a hole up to its end */
		at = data > at ? data : at;
		if (at >= end)
			return 1;
		len = end - at < TREE_DIFF_BUFFER ? (size_t)(end - at) : TREE_DIFF_BUFFER;
		got = content_read(fd, d->buffer, len, at);
		if (got < 0)
			return err_errno(e, "cannot be read");
		if ((size_t)got < len || !buffered_source_is_zero(d->buffer, len))
			return 0;
		at += got;
	}
	return 1;
}

static int
same_block(struct tree_diff *d, int fd, const char *data, size_t len, int64_t offset, struct err *e)
{
	while (len > 0) {
		const size_t some = len < TREE_DIFF_BUFFER ? len : TREE_DIFF_BUFFER;
		const ssize_t got = content_read(fd, d->buffer, some, offset);

		if (got < 0)
			return err_errno(e, "cannot be read");
		if ((size_t)got < some || memcmp(d->buffer, data, some) != 0)
			return 0;
		data += some;
		len -= some;
		offset += (int64_t)some;
	}
	return 1;
}

static int
same_content(struct tree_diff *d, int fd, const struct member *m, struct reader *r, struct err *e)
{
	const struct reader_file file = {.use = READER_COMPARE, .fd = fd};
	struct reader_part proved = {0};
	int64_t offset, end = 0;
	const void *data;
	size_t len;
	int more, same;

	for (;;) {
		same = d->by_id ? reader_shorten(r, &file, &proved, &end, e) : 1;
		if (same != 1)
			return same;
		if ((more = reader_block(r, &data, &len, &offset, e)) <= 0)
			break;
		if (offset > end && (same = only_zeros(d, fd, end, offset, e)) != 1)
			return same;
		if ((same = same_block(d, fd, data, len, offset, e)) != 1)
			return same;
		end = offset + (int64_t)len;
	}
	if (more < 0)
		return -1;
	return end < m->size ? only_zeros(d, fd, end, m->size, e) : 1;
}

static int
open_to_read(int dir, const char *name)
{
	const int flags = O_RDONLY | O_NONBLOCK;
	const int fd = beneath_file(dir, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? beneath_file(dir, name, flags) : fd;
}

static int
same_file(struct tree_diff *d, int dir, const char *name, const struct member *m, struct reader *r,
	struct err *e)
{
	SCOPED(fd_close_at) int fd = open_to_read(dir, name);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ESTALE || errno == EXDEV
			       ? 0
			       : err_errno(e, "cannot be opened");
	if (fstat(fd, &st) != 0)
		return err_errno(e, "cannot be looked at");
	return S_ISREG(st.st_mode) && st.st_size == m->size ? same_content(d, fd, m, r, e) : 0;
}

/* An inode that is equal to one member cannot stand for another one, which is a file of its own. */
static bool
claim(struct tree_diff *d, const struct stat *st, const char *path)
{
	bool fresh;

	return S_ISDIR(st->st_mode) || st->st_nlink == 1 ||
	       strcmp(links_find(&d->links, st->st_dev, st->st_ino, path, &fresh)->path, path) == 0;
}

static int
same_entry(struct tree_diff *d, int dir, const char *name, const struct member *m,
	const struct stat *st, struct reader *r, struct err *e)
{
	struct place place;
	int same;

	if (!same_stat(st, m))
		return 0;
	if (*name == '\0')
		place_itself(&place, d->tree.root_fd, true);
	else
		place_below(&place, dir, name);
	if ((same = same_xattrs(d, &place, m, e)) != 1)
		return same;
	if (m->type == MEMBER_SYMLINK)
		return same_target(dir, name, m);
	return m->type == MEMBER_FILE ? same_file(d, dir, name, m, r, e) : 1;
}

/* A second name of an inode, which the archive has, too. */
static int
same_link(struct tree_diff *d, const struct member *m, const struct stat *st, struct err *e)
{
	SCOPED(free_at) char *dir = mem_string(m->link + strlen(d->prefix) + 1);
	char *slash = strrchr(dir, '/');
	const char *name = slash == NULL ? dir : slash + 1;
	struct stat target;

	if (slash != NULL)
		*slash = '\0';
	SCOPED(fd_close_at)
	int fd = beneath_open(
		d->tree.root_fd, slash == NULL ? "" : dir, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	(void)e;
	return fd >= 0 && tree_diff_compare_look(fd, name, &target) == 0 &&
	       target.st_dev == st->st_dev && target.st_ino == st->st_ino;
}

/* A device that is not there, or another one, and that nobody here can make: nothing is changed. */
static bool
is_beyond_us(const struct member *m, int dir, const char *name)
{
	struct stat st;

	if ((m->type != MEMBER_CHAR && m->type != MEMBER_BLOCK) || devices_can_be_made())
		return false;
	return dir < 0 || tree_diff_compare_look(dir, name, &st) != 0 || !same_stat(&st, m);
}

int
tree_diff_compare(struct tree_diff *d, const struct member *m, enum walk_kind kind,
	const char *path, const struct member_index_entry *x, struct reader *r,
	struct tree_diff_found *f, struct err *e)
{
	const char *name;
	const int dir = tree_diff_compare_parent_of(d, path, &name, e);
	struct stat st;
	int same;

	if (dir < 0 && e->code != 0)
		return -1;
	if (kind != WALK_WHITEOUT && is_beyond_us(m, dir, name)) {
		devices_miss();
		f->there = f->stays = f->same = true;
		return 0;
	}
	if (dir < 0 || tree_diff_compare_look(dir, name, &st) != 0) {
		/* A whole tree has no marks: what is deleted is not there. */
		f->there = f->stays = f->same = kind == WALK_WHITEOUT && d->tree.changes != NULL;
		return dir < 0 || errno == ENOENT ? 0 : err_errno(e, "cannot be looked at");
	}
	f->there = true;
	f->inode = st.st_ino;
	if (kind == WALK_WHITEOUT) {
		f->stays = f->same = S_ISCHR(st.st_mode) && st.st_rdev == 0;
		return 0;
	}
	if (m->type == MEMBER_LINK) {
		same = same_link(d, m, &st, e);
		f->same = same == 1 && (d->ledger.entries[x->link].flags & MEMBER_INDEX_EQUAL) != 0;
		f->stays = f->same;
		return same < 0 ? -1 : 0;
	}
	if ((st.st_mode & S_IFMT) != tree_diff_compare_type_of(m->type))
		return 0;
	if ((same = same_entry(d, dir, name, m, &st, r, e)) < 0)
		return -1;
	f->same = same == 1 && claim(d, &st, path);
	f->stays = f->same || m->type == MEMBER_DIR;
	return 0;
}

int
tree_diff_file(int fd, const struct member *m, struct reader *r, struct err *e)
{
	SCOPED(free_at) char *buffer = mem_new(TREE_DIFF_BUFFER);
	struct tree_diff d = {.buffer = buffer};
	struct place place;
	struct stat st;
	int same;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "%s", m->path);
	if (!S_ISREG(st.st_mode) || m->type != MEMBER_FILE || !same_stat(&st, m))
		return 0;
	place_itself(&place, fd, false);
	attributes_init(&d.attributes);
	same = same_xattrs(&d, &place, m, e);
	attributes_free(&d.attributes);
	if (same != 1)
		return same;
	SCOPED(fd_close_at) int file = open(place.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return file < 0 ? err_errno(e, "%s", m->path) : same_content(&d, file, m, r, e);
}
