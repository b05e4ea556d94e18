/* Files that are written in place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/restore/delta.h"
#include "archive/restore/tree_swap_internal.h"
#include "base/mem.h"
#include "base/scope.h"

int
tree_swap_make_dir(int dir, const char *name, struct err *e)
{
	int fd;

	if (mkdirat(dir, name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "%s", name);
	fd = beneath_open(dir, name, O_RDONLY | O_DIRECTORY, BENEATH_ONE_MOUNT);
	return fd < 0 ? err_errno(e, "%s", name) : fd;
}

/* delta/ or kept/, if it is there. */
static int
side(const struct tree_swap *p, int *fd, const char *name)
{
	if (*fd < 0)
		*fd = openat(p->work_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *fd;
}

static int
tree_swap_place_make_file(
	const struct tree_swap *p, int *fd, const char *side_name, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *name;
	SCOPED(free_at) char *folder = mem_copy(path, slash == NULL ? 0 : (size_t)(slash - path));
	int file = -1;

	if (side(p, fd, side_name) < 0 && (*fd = tree_swap_make_dir(p->work_fd, side_name, e)) < 0)
		return -1;
	beneath_make(*fd, folder);
	SCOPED(fd_close_at) int dir = tree_swap_folder(*fd, path, &name);

	/* What an earlier try has left is not written to: a new inode has no other names. */
	if (dir >= 0 && (unlinkat(dir, name, 0) == 0 || errno == ENOENT))
		file = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return file < 0 ? err_errno(e, "%s/%s", side_name, path) : file;
}

int
tree_swap_delta_open(
	struct tree_swap *p, const char *path, int *ret_new, int *ret_old, struct err *e)
{
	SCOPED(fd_close_at) int new = tree_swap_place_make_file(p, &p->delta_fd, "delta", path, e);

	if (new < 0 || (*ret_old = tree_swap_place_make_file(p, &p->kept_fd, "kept", path, e)) < 0)
		return -1;
	*ret_new = TAKE_FD(new);
	return 0;
}

static int
remove_file(int side_fd, const char *path, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int dir = tree_swap_folder(side_fd, path, &name);

	return dir >= 0 && (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		       ? 0
		       : err_errno(e, "%s", path);
}

int
tree_swap_delta_drop(struct tree_swap *p, const char *path, struct err *e)
{
	return remove_file(p->delta_fd, path, e) != 0 ? -1 : remove_file(p->kept_fd, path, e);
}

/* Open ${path} below ${root}, a regular file: 1, 0 (there is none), -1. */
static int
tree_swap_place_open_file(int root, const char *path, int flags, int *ret_fd, struct err *e)
{
	const char *name;
	SCOPED(fd_close_at) int dir = tree_swap_folder(root, path, &name);

	*ret_fd = dir < 0 ? -1 : beneath_file(dir, name, flags | O_NONBLOCK);
	if (*ret_fd >= 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ESTALE ||
			       errno == EXDEV
		       ? 0
		       : err_errno(e, "cannot be opened");
}

/* Open what is in delta/ or kept/, and the file of the tree: 1, 0 (there is nothing to be done),
 * -1. */
static int
open_both(const struct tree_swap *p, int side_fd, const char *path, int flags, bool back,
	int *ret_side, int *ret_file, struct err *e)
{
	int there;

	if (side_fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "the work folder");
	if ((there = tree_swap_place_open_file(side_fd, path, O_RDONLY, ret_side, e)) != 1)
		return there;
	if ((there = tree_swap_place_open_file(p->root_fd, path, flags, ret_file, e)) != 0)
		return there;
	/* whoever used the new tree may have removed it */
	return back ? 0 : err_set(e, ERR_CONFLICT, "is not there any more: try again");
}

/* The same of delta/: -1 too if the file is not any more what it was. */
static int
open_fitting(struct tree_swap *p, const char *path, int flags, int *ret_delta, int *ret_file,
	struct err *e)
{
	const int both = open_both(
		p, side(p, &p->delta_fd, "delta"), path, flags, false, ret_delta, ret_file, e);
	int fits;

	if (both != 1 || (fits = delta_fits(*ret_delta, *ret_file, e)) == 1)
		return both;
	return fits < 0 ? -1
			: err_set(e, ERR_CONFLICT,
				  "somebody who was not stopped writes to it: end that, and try "
				  "again");
}

int
tree_swap_may_place(struct tree_swap *p, const char *path, struct err *e)
{
	SCOPED(fd_close_at) int delta = -1;
	SCOPED(fd_close_at) int file = -1;

	return open_fitting(p, path, O_RDONLY, &delta, &file, e) < 0 ? -1 : 0;
}

int
tree_swap_place(struct tree_swap *p, const char *path, struct err *e)
{
	SCOPED(fd_close_at) int delta = -1;
	SCOPED(fd_close_at) int file = -1;
	const int both = open_fitting(p, path, O_WRONLY, &delta, &file, e);

	return both == 1 ? delta_apply(delta, file, p->attributes, e) : both;
}

int
tree_swap_replace(struct tree_swap *p, const char *path, struct err *e)
{
	SCOPED(fd_close_at) int kept = -1;
	SCOPED(fd_close_at) int file = -1;
	const int both =
		open_both(p, side(p, &p->kept_fd, "kept"), path, O_WRONLY, true, &kept, &file, e);

	if (both != 1)
		return both;
	if (delta_apply(kept, file, p->attributes, e) != 0)
		return -1;
	return fsync(file) == 0 ? 0 : err_errno(e, "cannot be synced");
}
