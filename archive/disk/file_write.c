#include "archive/disk/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/attributes.h"
#include "archive/disk/beneath.h"
#include "base/bulk.h"
#include "base/scope.h"

/* Bytes: of a file that is written, and of one that is whole.  Smaller ones are gathered better by
 * the kernel. */
enum { WRITEBACK_MORE = 8 * 1024 * 1024, WRITEBACK_LEAST = 256 * 1024 };

int
file_write_room(int dir, const char *name, struct err *e)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno == EISDIR && unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	return err_errno(e, "%s is in the way", name);
}

int
file_write_open(int dir, const char *name, struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags, 0600);

	if (fd < 0 && errno == EEXIST) {
		if (file_write_room(dir, name, e) != 0)
			return -1;
		fd = openat(dir, name, flags, 0600);
	}
	return fd < 0 ? err_errno(e, "cannot be made") : fd;
}

int
file_write_made(int dir, const char *name, mode_t type, dev_t rdev, struct err *e)
{
	SCOPED(fd_close_at) int fd = beneath_open(dir, name, O_PATH, BENEATH_ONE_MOUNT);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return err_errno(e, "cannot be opened right after it was made");
	if ((st.st_mode & S_IFMT) == type && (S_ISDIR(type) || st.st_nlink == 1) &&
		st.st_rdev == rdev)
		return TAKE_FD(fd);
	return err_set(e, ERR_CONFLICT,
		"somebody who was not stopped has put something else in its place: end that, and "
		"try again");
}

int
file_write_block(int fd, const char *data, size_t len, int64_t offset, struct err *e)
{
	return write_all(fd, data, len, offset) == 0 ? 0 : err_errno(e, "cannot write");
}

int
file_write_looks(int fd, const struct member *m, bool made, struct err *e)
{
	struct place place;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, "cannot be looked at");
	if (st.st_size != m->size && ftruncate(fd, m->size) != 0)
		return err_errno(e, "cannot be made %lld bytes long", (long long)m->size);
	if (made)
		return attributes_apply_new(fd, m, &st, e);
	place_open(&place, fd);
	return attributes_apply(&place, m, e);
}

int64_t
file_write_writeback(int fd, int64_t from, int64_t to, bool all)
{
	if (to - from < (all && to >= WRITEBACK_LEAST ? 1 : WRITEBACK_MORE))
		return from;
	(void)sync_file_range(fd, from, to - from, SYNC_FILE_RANGE_WRITE);
	return to;
}
