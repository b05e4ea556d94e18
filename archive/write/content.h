#ifndef ARCHIVE_WRITE_CONTENT_H
#define ARCHIVE_WRITE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive/tar/member.h"
#include "archive/write/walk.h"

/* The bytes of a regular file on disk. */

/**
 * content_open(dir, name, root_fd, stat, ret_same):
 * Open ${name} in ${dir} (the root itself if ${dir} is NULL) for reading, without touching its
 * atime where that is allowed.  ${ret_same}: it still has ${stat}.  -1 with errno; ESTALE if it
 * is no regular file any more.
 */
int content_open(struct walk_dir *dir, const char *name, int root_fd, const struct statx *stat,
	bool *ret_same);

/* True if ${fd} has this stat: ino, mode, owner, size, mtime, ctime. */
bool content_same(int fd, const struct statx *stat);

/* As pread, but short only at the end of the file. */
ssize_t content_read(int fd, void *data, size_t len, int64_t offset);

/**
 * content_extents(fd, size, ret_extents, ret_count):
 * Where the file has data, in ascending order, widened to whole blocks of 512 (but for the end) so
 * that extents may follow each other in an archive without padding.  At most HEADER_EXTENTS_MAX:
 * the last one then takes in what follows, holes too.  The array is the caller's to free.
 * -1 with errno.
 */
int content_extents(int fd, int64_t size, struct member_extent **ret_extents, size_t *ret_count);

#endif
