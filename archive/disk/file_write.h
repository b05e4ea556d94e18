#ifndef ARCHIVE_DISK_FILE_WRITE_H
#define ARCHIVE_DISK_FILE_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/tar/member.h"
#include "base/err.h"

/* Single steps of putting files back. */

/* What is there under this name makes room; a folder only if it is empty. */
int file_write_room(int dir, const char *name, struct err *e);

/* A new regular file of that name, open for writing; what was there under it is gone. */
int file_write_open(int dir, const char *name, struct err *e);

/**
 * file_write_made(dir, name, type, rdev, e):
 * What was just made as ${name} in ${dir}, of this type (S_IFMT) and, of a device, this number.
 * Whoever may write to ${dir} may have put something else there since, so that looks are given to
 * the descriptor that this returns (O_PATH, the caller's), never to the name.  ERR_CONFLICT if
 * it is not what was made: of another type, or with other names.
 */
int file_write_made(int dir, const char *name, mode_t type, dev_t rdev, struct err *e);

int file_write_block(int fd, const char *data, size_t len, int64_t offset, struct err *e);

/* Once the content is there: the length, owner, mode, xattrs and time of ${m}.  ${made}: ${fd} is
 * of file_write_open. */
int file_write_looks(int fd, const struct member *m, bool made, struct err *e);

/**
 * file_write_writeback(fd, from, to, all):
 * Have the disk begin with what was written from ${from} up to ${to}, unless that is little; a
 * small rest of a large file too if that was ${all}.  Returns up to where it was begun.  A hint:
 * the next syncfs finds less to do.
 */
int64_t file_write_writeback(int fd, int64_t from, int64_t to, bool all);

#endif
