#include "archive/write/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/tar/header.h"
#include "archive/write/emit.h"
#include "base/mem.h"
#include "base/scope.h"

static int
open_once(struct walk_dir *dir, const char *name, int root_fd, int flags)
{
	char path[64];
	int dir_fd;

	if (dir != NULL) {
		dir_fd = walk_dir_fd(dir, root_fd);
		return dir_fd < 0 ? -1 : beneath_open(dir_fd, name, flags, BENEATH_ONE_MOUNT);
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", root_fd);
	return open(path, flags | O_CLOEXEC);
}

int
content_open(struct walk_dir *dir, const char *name, int root_fd, const struct statx *stat,
	bool *ret_same)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
	SCOPED(fd_close_at) int fd = open_once(dir, name, root_fd, flags | O_NOATIME);
	struct stat s;

	if (fd < 0 && errno == EPERM)
		fd = open_once(dir, name, root_fd, flags);
	if (fd < 0 || fstat(fd, &s) != 0)
		return -1;
	if (!S_ISREG(s.st_mode)) {
		errno = ESTALE;
		return -1;
	}
	*ret_same = content_same(fd, stat);
	return TAKE_FD(fd);
}

static bool
same_time(const struct timespec *t, const struct statx_timestamp *x)
{
	return t->tv_sec == x->tv_sec && t->tv_nsec == (long)x->tv_nsec;
}

bool
content_same(int fd, const struct statx *stat)
{
	struct stat s;

	return fstat(fd, &s) == 0 && s.st_ino == stat->stx_ino && s.st_mode == stat->stx_mode &&
	       s.st_uid == stat->stx_uid && s.st_gid == stat->stx_gid &&
	       s.st_size == (off_t)stat->stx_size && same_time(&s.st_mtim, &stat->stx_mtime) &&
	       same_time(&s.st_ctim, &stat->stx_ctime);
}

ssize_t
content_read(int fd, void *data, size_t len, int64_t offset)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)data + got, len - got, offset + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int64_t
widen(int64_t end, int64_t size)
{
	end += (int64_t)member_padding(end);
	return end < size ? end : size;
}

/* Returns 1 with the next extent at or after ${from}, 0 if there is none, -1. */
static int
next_extent(int fd, int64_t from, int64_t size, struct member_extent *ret_extent)
{
	off_t data = lseek(fd, from, SEEK_DATA), hole;

	if (data < 0)
		return errno == ENXIO ? 0 : -1;
	if (data >= size)
		return 0;
	if ((hole = lseek(fd, data, SEEK_HOLE)) < 0)
		return -1;
	data -= data % MEMBER_BLOCK_SIZE;
	ret_extent->offset = data < from ? from : data;
	ret_extent->len = widen(hole, size) - ret_extent->offset;
	return 1;
}

int
content_extents(int fd, int64_t size, struct member_extent **ret_extents, size_t *ret_count)
{
	SCOPED(free_at) struct member_extent *list = NULL;
	struct member_extent next;
	size_t count = 0, room = 0;
	int64_t end = 0;

	while (end < size) {
		int got = next_extent(fd, end, size, &next);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		end = next.offset + next.len;
		if (count == HEADER_EXTENTS_MAX) {
			list[count - 1].len = size - list[count - 1].offset;
			break;
		}
		if (count > 0 && list[count - 1].offset + list[count - 1].len == next.offset) {
			list[count - 1].len += next.len;
			continue;
		}
		if (count == room) {
			room = room == 0 ? 16 : 2 * room;
			list = mem_array(list, room, sizeof(*list));
		}
		list[count++] = next;
	}
	*ret_extents = TAKE(list);
	*ret_count = count;
	return 0;
}
