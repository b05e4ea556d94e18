/*
 * Invariants, so that fill_undo may be called after a crash at any point, any number of times:
 *
 * 1. Until `moved` exists, the root holds nothing but old entries: fill_undo moves what is in old/
 *    back and touches nothing else.
 * 2. `moved` is made when all old entries are in old/, and removed when no new entry is left in the
 *    root.  While it exists, whatever is in the root is new, or kept (listed in `keep`).
 * 3. `was`, an empty folder, has the attributes that the root had before anything was made in it.
 */
#include "archive/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/attributes.h"
#include "archive/beneath.h"
#include "archive/discard.h"
#include "archive/look.h"
#include "archive/names.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

enum { KEEP_BYTES_MAX = 64 * 1024 * 1024 };

struct fill {
	int root_fd, beside_fd; /* borrowed */
	int work_fd, new_fd, old_fd;
	char *work;	 /* its name in beside */
	char *new_name;	 /* path of new/ below beside */
	struct buf keep; /* path NUL path NUL … */
	size_t keep_count;
	size_t displaced;
};

static int
open_dir(int dir, const char *name, struct err *e)
{
	const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", name) : fd;
}

static int
make_dir(int dir, const char *name, struct err *e)
{
	if (mkdirat(dir, name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "%s", name);
	return open_dir(dir, name, e);
}

/* What fill_swap of an earlier process had been told to keep. */
static int
read_keep(struct fill *f, struct err *e)
{
	SCOPED(fd_close_at) int fd = openat(f->work_fd, "keep", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char data[4096];
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "keep");
	while ((got = read(fd, data, sizeof(data))) > 0)
		if (buf_add(&f->keep, data, (size_t)got) != 0)
			return err_set(e, ERR_TOO_LARGE, "keep");
	return got < 0 ? err_errno(e, "keep") : 0;
}

/* Before anything is made in the root: what it looked like. */
static int
make_work(struct fill *f, struct err *e)
{
	SCOPED(look_free) struct look look = {0};
	SCOPED(fd_close_at) int was = -1;

	if (faccessat(f->beside_fd, f->work, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return make_dir(f->beside_fd, f->work, e);
	if (look_at(&look, f->root_fd, e) != 0)
		return -1;
	SCOPED(fd_close_at) int work = make_dir(f->beside_fd, f->work, e);

	if (work < 0 || (was = make_dir(work, "was", e)) < 0 || look_apply(&look, was, e) != 0)
		return -1;
	return TAKE_FD(work);
}

int
fill_open(int root_fd, int beside_fd, const char *id, struct fill **ret_fill, struct err *e)
{
	SCOPED(fill_close_at) struct fill *f = mem_new(sizeof(*f));

	f->root_fd = root_fd;
	f->beside_fd = beside_fd;
	f->work_fd = f->new_fd = f->old_fd = -1;
	f->work = mem_format(".fuel-backup-%s", id);
	f->new_name = mem_format("%s/new", f->work);
	f->keep = (struct buf)BUF_INIT(KEEP_BYTES_MAX);
	if ((f->work_fd = make_work(f, e)) < 0 ||
		(f->new_fd = make_dir(f->work_fd, "new", e)) < 0 ||
		(f->old_fd = make_dir(f->work_fd, "old", e)) < 0 || read_keep(f, e) != 0)
		return -1;
	*ret_fill = TAKE(f);
	return 0;
}

bool
fill_there(int beside_fd, const char *id)
{
	SCOPED(free_at) char *work = mem_format(".fuel-backup-%s", id);

	return faccessat(beside_fd, work, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void
fill_close(struct fill *f)
{
	if (f == NULL)
		return;
	fd_close_at(&f->work_fd);
	fd_close_at(&f->new_fd);
	fd_close_at(&f->old_fd);
	free(f->work);
	free(f->new_name);
	buf_free(&f->keep);
	free(f);
}

void
fill_close_at(struct fill **f)
{
	fill_close(*f);
}

int
fill_fd(const struct fill *f)
{
	return f->new_fd;
}

const char *
fill_name(const struct fill *f)
{
	return f->new_name;
}

int
fill_keep(struct fill *f, const char *path, struct err *e)
{
	if (f->keep_count >= FILL_KEEP_MAX || buf_add(&f->keep, path, strlen(path) + 1) != 0)
		return err_set(e, ERR_TOO_LARGE,
			"more than %d excluded entries would have to be kept; exclude the folders "
			"that hold them",
			FILL_KEEP_MAX);
	f->keep_count++;
	return 0;
}

/* Move all entries of ${from} to ${to}, but for the work folder. */
static int
move_all(const struct fill *f, int from, int to, struct err *e)
{
	SCOPED(fd_close_at) int dir = open_dir(from, ".", e);
	struct names names = {0};
	int status = 0;

	if (dir < 0 || names_read(dir, false, &names, e) != 0)
		return -1;
	for (size_t i = 0; status == 0 && i < names.count; i++) {
		const char *name = names.list[i].text;

		if (strcmp(name, f->work) == 0)
			continue;
		if (renameat2(from, name, to, name, RENAME_NOREPLACE) != 0)
			status = err_errno(e, "%s cannot be moved%s", name,
				errno == EBUSY ? ", for it is a mount" : "");
	}
	names_free(&names);
	return status;
}

/* The folder of ${path} below ${root}, made where it is missing; the name to ${ret_name}. */
static int
folder_of(int root, const char *path, bool make, const char **ret_name, struct err *e)
{
	SCOPED(free_at) char *dir = mem_string(path);
	char *slash = strrchr(dir, '/');
	int fd;

	*ret_name = slash == NULL ? path : path + (slash - dir) + 1;
	dir[slash == NULL ? 0 : slash - dir] = '\0';
	for (char *at = dir; make && *at != '\0'; at++)
		if (at[1] == '/' || at[1] == '\0') {
			const char next = at[1];

			at[1] = '\0';
			(void)mkdirat(root, dir, 0755);
			at[1] = next;
		}
	fd = beneath_open(root, dir, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);
	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

/* What is at the place of something kept makes room. */
static int
displace(struct fill *f, int dir, const char *name, struct err *e)
{
	SCOPED(free_at) char *to = mem_format("displaced-%zu", f->displaced++);

	if (renameat(dir, name, f->work_fd, to) == 0 || errno == ENOENT)
		return 0;
	return err_errno(e, "%s", name);
}

/* Move ${path} from one root to the other, leaving the times of its folders as they are. */
static int
move_kept(struct fill *f, int from_root, int to_root, const char *path, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int from = folder_of(from_root, path, false, &name, e);
	struct stat from_stat, to_stat, st;
	struct place place;

	if (from < 0 || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0; /* it is not there (any more): done already */
	SCOPED(fd_close_at) int to = folder_of(to_root, path, true, &name, e);

	if (to < 0 || displace(f, to, name, e) != 0)
		return -1;
	if (fstat(from, &from_stat) != 0 || fstat(to, &to_stat) != 0 ||
		renameat2(from, name, to, name, RENAME_NOREPLACE) != 0)
		return err_errno(e, "%s", path);
	place_itself(&place, from, true);
	(void)attributes_apply_mtime(&place,
		from_stat.st_mtim.tv_sec * INT64_C(1000000000) + from_stat.st_mtim.tv_nsec, e);
	place_itself(&place, to, true);
	return attributes_apply_mtime(
		&place, to_stat.st_mtim.tv_sec * INT64_C(1000000000) + to_stat.st_mtim.tv_nsec, e);
}

static int
move_all_kept(struct fill *f, int from_root, int to_root, struct err *e)
{
	for (size_t at = 0; at < f->keep.len; at += strlen(f->keep.data + at) + 1)
		if (move_kept(f, from_root, to_root, f->keep.data + at, e) != 0)
			return -1;
	return 0;
}

static int
write_keep(const struct fill *f, struct err *e)
{
	SCOPED(fd_close_at)
	int fd = openat(f->work_fd, "keep", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;

	if (fd < 0)
		return err_errno(e, "keep");
	while (done < f->keep.len) {
		const ssize_t n = write(fd, f->keep.data + done, f->keep.len - done);

		if (n < 0)
			return err_errno(e, "keep");
		done += (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : err_errno(e, "keep");
}

static int
mark_moved(const struct fill *f, struct err *e)
{
	SCOPED(fd_close_at) int fd = make_dir(f->work_fd, "moved", e);

	/* Renames and marks of one file system reach the disk in order, but say so. */
	return fd < 0 || syncfs(fd) != 0 ? err_errno(e, "a swap") : 0;
}

int
fill_swap(struct fill *f, struct err *e)
{
	SCOPED(look_free) struct look look = {0};

	if (look_at(&look, f->new_fd, e) != 0 || write_keep(f, e) != 0 ||
		move_all(f, f->root_fd, f->old_fd, e) != 0 || mark_moved(f, e) != 0 ||
		move_all(f, f->new_fd, f->root_fd, e) != 0 ||
		move_all_kept(f, f->old_fd, f->root_fd, e) != 0)
		return -1;
	return look_apply(&look, f->root_fd, e);
}

static int
take_back(struct fill *f, struct err *e)
{
	if (faccessat(f->work_fd, "moved", F_OK, 0) != 0)
		return 0;
	if (move_all_kept(f, f->root_fd, f->old_fd, e) != 0 ||
		move_all(f, f->root_fd, f->new_fd, e) != 0)
		return -1;
	return unlinkat(f->work_fd, "moved", AT_REMOVEDIR) == 0 ? 0 : err_errno(e, "moved");
}

int
fill_undo(struct fill *f, struct err *e)
{
	SCOPED(look_free) struct look look = {0};
	SCOPED(fd_close_at) int was = open_dir(f->work_fd, "was", e);

	if (was < 0 || look_at(&look, was, e) != 0 || take_back(f, e) != 0 ||
		move_all(f, f->old_fd, f->root_fd, e) != 0 ||
		discard_tree(f->beside_fd, f->work, e) != 0)
		return -1;
	return look_apply(&look, f->root_fd, e);
}

int
fill_finish(struct fill *f, struct err *e)
{
	struct place place;
	struct stat st;

	if (fstat(f->root_fd, &st) != 0)
		return err_errno(e, "a root");
	if (discard_tree(f->beside_fd, f->work, e) != 0)
		return -1;
	place_itself(&place, f->root_fd, true);
	return attributes_apply_mtime(
		&place, st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec, e);
}
