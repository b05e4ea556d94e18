#include "archive/restore/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/disk/attributes.h"
#include "archive/disk/beneath.h"
#include "archive/disk/devices.h"
#include "archive/disk/file_write.h"
#include "archive/restore/member_index.h"
#include "archive/restore/merge.h"
#include "base/bulk.h"
#include "base/mem.h"
#include "base/scope.h"

/* Bytes: written between two looks at the free space; and left to those who run there. */
enum { SPACE_LOOK = 8 * 1024 * 1024, SPACE_LEFT = 32 * 1024 * 1024, SPACE_SHARE = 64 };

static const char whiteout[] = ".wh.", opaque[] = ".wh..wh..opq";

/*
 * A directory gets owner, mode and xattrs when it is made, and its mtime when nothing more is put
 * into it.  Until then paths and times wait in an unnamed file, so that memory does not grow with
 * the tree.
 */
struct extract {
	int root_fd;
	struct extract_options options;
	char *prefix;
	FILE *times;	/* member_time mtime_ns, uint32_t length, path */
	int sync_fd;	/* of extract_sync: what fails from now on is told to it, whoever syncs */
	int64_t unseen; /* bytes since the free space was looked at */
	char *parent;	/* path of the folder that was used last, */
	int parent_fd;	/* and the folder */
	struct member_index folders; /* of a merge: those of the archive */
};

static FILE *
unnamed_file(int root_fd, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *file;

	if (fd < 0) /* not every file system has them */
		fd = memfd_create("fuel-backup", MFD_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "w+");
	if (file == NULL)
		(void)err_errno(e, "a temporary file");
	else
		(void)TAKE_FD(fd);
	return file;
}

int
extract_open(int root_fd, const struct extract_options *options, struct extract **ret_extract,
	struct err *e)
{
	SCOPED(fd_close_at)
	int sync_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FILE *times = sync_fd < 0 ? NULL : unnamed_file(root_fd, e);
	struct extract *x;

	if (sync_fd < 0)
		return err_errno(e, "%s", options->prefix);
	if (times == NULL)
		return -1;
	x = mem_new(sizeof(*x));
	x->sync_fd = TAKE_FD(sync_fd);
	x->unseen = SPACE_LOOK;
	x->root_fd = root_fd;
	x->options = *options;
	x->prefix = mem_string(options->prefix);
	x->times = times;
	x->parent_fd = -1;
	*ret_extract = x;
	return 0;
}

static void
leave_parent(struct extract *x)
{
	fd_close_at(&x->parent_fd);
	x->parent_fd = -1;
	free(x->parent);
	x->parent = NULL;
}

void
extract_close(struct extract *x)
{
	if (x == NULL)
		return;
	(void)fclose(x->times);
	fd_close_at(&x->sync_fd);
	leave_parent(x);
	member_index_free(&x->folders);
	free(x->prefix);
	free(x);
}

void
extract_close_at(struct extract **x)
{
	extract_close(*x);
}

/* ${path} below the prefix: "" for the root itself, NULL if it is not below. */
static const char *
extract_below(const struct extract *x, const char *path)
{
	const size_t len = strlen(x->prefix);

	if (strncmp(path, x->prefix, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	return path[len] == '\0' ? "" : path + len + 1;
}

static int
open_parent(const struct extract *x, const char *path, size_t len, struct err *e)
{
	SCOPED(free_at) char *dir = mem_copy(path, len);
	int fd = beneath_open(x->root_fd, dir, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);

	if (fd < 0 && errno == ENOENT && x->options.sparse) {
		beneath_make(x->root_fd, dir);
		fd = beneath_open(x->root_fd, dir, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	}
	if (fd >= 0)
		return fd;
	if (errno == ELOOP || errno == ENOTDIR || errno == ENOENT || errno == EXDEV)
		return err_set(e, ERR_CORRUPT, "%s: its folder is none in the archive", path);
	return err_errno(e, "%s", path);
}

/* The folder that holds ${path}, kept open for the next one; borrowed.  The name to ${ret_name}. */
static int
extract_parent_of(struct extract *x, const char *path, const char **ret_name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	*ret_name = slash == NULL ? path : slash + 1;
	if (x->parent != NULL && strlen(x->parent) == len && memcmp(x->parent, path, len) == 0)
		return x->parent_fd;
	leave_parent(x);
	x->parent_fd = open_parent(x, path, len, e);
	if (x->parent_fd >= 0)
		x->parent = mem_copy(path, len);
	return x->parent_fd;
}

/* The content of ${m}, holes left out, and its attributes. */
static int
write_content(int fd, const struct member *m, struct reader *r, bool made, struct err *e)
{
	const struct reader_file file = {.use = READER_WRITE, .fd = fd};
	struct reader_part written = {0};
	const void *data;
	int64_t offset, end = 0, begun = 0;
	size_t len;
	int more;

	for (;;) {
		if (reader_shorten(r, &file, &written, &end, e) < 0)
			return err_prefix(e, "%s", m->path);
		begun = file_write_writeback(fd, begun, end, false);
		if ((more = reader_block(r, &data, &len, &offset, e)) <= 0)
			break;
		if (offset < 0 || offset > m->size || (int64_t)len > m->size - offset)
			return err_set(e, ERR_CORRUPT, "%s has more content than it says", m->path);
		if (bulk_write(fd, data, len, offset) != 0)
			return err_errno(e, "%s: cannot write", m->path);
		end = offset + (int64_t)len;
	}
	if (more < 0)
		return -1;
	(void)file_write_writeback(fd, begun, end, true);
	return file_write_looks(fd, m, made, e) == 0 ? 0 : err_prefix(e, "%s", m->path);
}

/* Those who run on this file system must not find it full for what is put beside their data: the
 * last SPACE_LEFT of it, or of a small one a share, are theirs. */
static int
extract_check_space(struct extract *x, const struct member *m, struct err *e)
{
	const int64_t need = member_stored_size(m);
	struct statfs fs;
	int64_t have, share;

	x->unseen += need;
	if (x->unseen < SPACE_LOOK || fstatfs(x->sync_fd, &fs) != 0 || fs.f_blocks == 0)
		return 0;
	x->unseen = 0;
	have = (int64_t)fs.f_bavail * fs.f_bsize;
	share = (int64_t)fs.f_blocks * fs.f_bsize / SPACE_SHARE;
	if (have - (share < SPACE_LEFT ? share : SPACE_LEFT) >= need)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"%s: its %lld KiB do not fit: %lld MiB are left on its file system, make room",
		m->path, (long long)((need + 1023) >> 10), (long long)(have >> 20));
}

static int
extract_file(struct extract *x, int dir, const char *name, const struct member *m, struct reader *r,
	struct err *e)
{
	SCOPED(fd_close_at) int fd = -1;

	if (extract_check_space(x, m, e) != 0)
		return -1;
	fd = file_write_open(dir, name, e);
	if (fd < 0)
		return err_prefix(e, "%s", m->path);
	if (x->options.scribe != NULL && small_file_writer_takes(m))
		return small_file_writer_put(x->options.scribe, TAKE_FD(fd), m, r, e);
	return write_content(fd, m, r, true, e);
}

static int
remember_time(struct extract *x, const char *path, member_time mtime_ns, struct err *e)
{
	const uint32_t len = (uint32_t)strlen(path);

	if (fwrite(&mtime_ns, sizeof(mtime_ns), 1, x->times) == 1 &&
		fwrite(&len, sizeof(len), 1, x->times) == 1 &&
		fwrite(path, 1, len, x->times) == len)
		return 0;
	return err_errno(e, "a temporary file");
}

static int
extract_dir(struct extract *x, int dir, const char *name, const char *path, const struct member *m,
	struct err *e)
{
	SCOPED(fd_close_at) int fd = -1;
	struct place place;
	struct stat st;

	if (path[0] == '\0') {
		place_itself(&place, x->root_fd, true);
	} else {
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)) {
			if (file_write_room(dir, name, e) != 0)
				return -1;
			if (mkdirat(dir, name, 0700) != 0)
				return err_errno(e, "%s", m->path);
		}
		if ((fd = file_write_made(dir, name, S_IFDIR, 0, e)) < 0)
			return err_prefix(e, "%s", m->path);
		place_itself(&place, fd, true);
	}
	if (attributes_apply(&place, m, e) != 0)
		return err_prefix(e, "%s", m->path);
	return remember_time(x, path, m->mtime_ns, e);
}

/* The folder of what is linked to. */
static int
open_target(const struct extract *x, const char *path, size_t len, struct err *e)
{
	SCOPED(free_at) char *dir = mem_copy(path, len);
	int fd;

	if (x->options.kept == NULL || !x->options.kept(x->options.ctx, path))
		return open_parent(x, path, len, e);
	fd = beneath_open(x->options.old_fd, dir, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

static int
extract_link(struct extract *x, int dir, const char *name, const struct member *m, struct err *e)
{
	const char *target = extract_below(x, m->link);
	const char *slash = target == NULL ? NULL : strrchr(target, '/');
	SCOPED(fd_close_at) int from = -1;

	if (target == NULL || target[0] == '\0')
		return err_set(e, ERR_CORRUPT, "%s is a link out of %s", m->path, x->prefix);
	from = open_target(x, target, slash == NULL ? 0 : (size_t)(slash - target), e);
	if (from < 0 || file_write_room(dir, name, e) != 0)
		return -1;
	if (linkat(from, slash == NULL ? target : slash + 1, dir, name, 0) == 0)
		return 0;
	if (errno == ENOENT && !devices_can_be_made()) { /* a second name of one */
		devices_miss();
		return 0;
	}
	return err_errno(e, "%s -> %s", m->path, m->link);
}

static int
make_node(int dir, const char *name, const struct member *m)
{
	switch (m->type) {
	case MEMBER_SYMLINK:
		return symlinkat(m->link, dir, name);
	case MEMBER_CHAR:
		return mknodat(dir, name, S_IFCHR | 0600, makedev(m->major, m->minor));
	case MEMBER_BLOCK:
		return mknodat(dir, name, S_IFBLK | 0600, makedev(m->major, m->minor));
	case MEMBER_FIFO:
		return mknodat(dir, name, S_IFIFO | 0600, 0);
	case MEMBER_FILE:
	case MEMBER_LINK:
	case MEMBER_DIR:
		break;
	}
	errno = EINVAL;
	return -1;
}

static int
extract_node(int dir, const char *name, const struct member *m, struct err *e)
{
	static const mode_t types[] = {[MEMBER_SYMLINK] = S_IFLNK,
		[MEMBER_CHAR] = S_IFCHR,
		[MEMBER_BLOCK] = S_IFBLK,
		[MEMBER_FIFO] = S_IFIFO};
	const bool device = m->type == MEMBER_CHAR || m->type == MEMBER_BLOCK;
	struct place place;

	if (device && !devices_can_be_made()) {
		devices_miss();
		return 0;
	}
	if (file_write_room(dir, name, e) != 0)
		return -1;
	if (make_node(dir, name, m) != 0)
		return err_errno(e, "%s", m->path);
	SCOPED(fd_close_at)
	int fd = file_write_made(
		dir, name, types[m->type], device ? makedev(m->major, m->minor) : 0, e);
	if (fd < 0)
		return err_prefix(e, "%s", m->path);
	place_itself(&place, fd, false);
	return attributes_apply(&place, m, e) == 0 ? 0 : err_prefix(e, "%s", m->path);
}

/* A deletion in a layer. */
static int
extract_whiteout(struct extract *x, int dir, const char *name, const char *path,
	const struct member *m, struct err *e)
{
	if (strcmp(name, opaque) == 0) {
		const char *slash = strrchr(path, '/');
		SCOPED(free_at)
		char *folder = mem_copy(path, slash == NULL ? 0 : (size_t)(slash - path));

		if (x->options.merge)
			return merge_purge(&x->folders, x->root_fd, folder, e);
		return x->options.opaque == NULL || slash == NULL
			       ? 0
			       : x->options.opaque(x->options.ctx, folder, e);
	}
	name += strlen(whiteout);
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(e, ERR_CORRUPT, "%s marks nothing as deleted", m->path);
	if (x->options.merge)
		return merge_remove(dir, name, e);
	if (file_write_room(dir, name, e) != 0)
		return -1;
	return mknodat(dir, name, S_IFCHR, makedev(0, 0)) == 0 ? 0 : err_errno(e, "%s", m->path);
}

int
extract_member(struct extract *x, const struct member *m, struct reader *r, struct err *e)
{
	const char *path = extract_below(x, m->path), *name = "";
	int dir = -1;

	if (path == NULL || (path[0] == '\0' && m->type != MEMBER_DIR))
		return err_set(e, ERR_CORRUPT, "%s does not belong into %s", m->path, x->prefix);
	if (path[0] != '\0' && (dir = extract_parent_of(x, path, &name, e)) < 0)
		return -1;
	if (x->options.layer && strncmp(name, whiteout, strlen(whiteout)) == 0)
		return extract_whiteout(x, dir, name, path, m, e);
	if (x->options.merge && merge_member(&x->folders, dir, name, path, m->type, e) != 0)
		return -1;
	switch (m->type) {
	case MEMBER_FILE:
		return extract_file(x, dir, name, m, r, e);
	case MEMBER_DIR:
		return extract_dir(x, dir, name, path, m, e);
	case MEMBER_LINK:
		return extract_link(x, dir, name, m, e);
	case MEMBER_SYMLINK:
	case MEMBER_CHAR:
	case MEMBER_BLOCK:
	case MEMBER_FIFO:
		break;
	}
	return extract_node(dir, name, m, e);
}

static int
set_time(struct extract *x, const char *path, member_time mtime_ns, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = beneath_open(x->root_fd, path, O_PATH | O_DIRECTORY, BENEATH_ONE_MOUNT);
	struct place place;

	if (fd < 0) /* replaced by a later member of the same name */
		return errno == ENOTDIR || errno == ENOENT || errno == ELOOP
			       ? 0
			       : err_errno(e, "%s", path);
	place_itself(&place, fd, true);
	return attributes_apply_mtime(&place, mtime_ns, e);
}

int
extract_sync(const struct extract *x, struct err *e)
{
	return syncfs(x->sync_fd) != 0 ? err_errno(e, "%s", x->prefix) : 0;
}

int
extract_finish(struct extract *x, struct err *e)
{
	member_time mtime_ns;
	uint32_t len;

	if (small_file_writer_settle(x->options.scribe, e) != 0)
		return -1;
	if (fflush(x->times) != 0 || fseek(x->times, 0, SEEK_SET) != 0)
		return err_errno(e, "a temporary file");
	while (fread(&mtime_ns, sizeof(mtime_ns), 1, x->times) == 1) {
		SCOPED(free_at) char *path = NULL;

		if (fread(&len, sizeof(len), 1, x->times) != 1 || len > MEMBER_PATH_MAX)
			return err_errno(e, "a temporary file");
		path = mem_new(len + 1);
		if (fread(path, 1, len, x->times) != len)
			return err_errno(e, "a temporary file");
		if (set_time(x, path, mtime_ns, e) != 0)
			return err_prefix(e, "%s/%s", x->prefix, path);
	}
	return 0;
}

int
extract_over_file(int fd, const struct member *m, struct reader *r, struct err *e)
{
	char path[32];
	SCOPED(fd_close_at) int file = -1;

	if (m->type != MEMBER_FILE)
		return err_set(e, ERR_CORRUPT, "%s is no file", m->path);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (file < 0)
		return err_errno(e, "%s", m->path);
	if (write_content(file, m, r, false, e) != 0)
		return -1;
	return fsync(file) == 0 ? 0 : err_errno(e, "%s", m->path);
}
