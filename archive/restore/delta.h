#ifndef ARCHIVE_RESTORE_DELTA_H
#define ARCHIVE_RESTORE_DELTA_H

#include <stdint.h>

#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"

/*
 * A large file that is to become another one in a few places is not written anew: two files beside
 * it hold what is to be written into it, and what stood there.
 *
 *	which file it was, and how: struct state (delta.c)
 *	uint64_t at, len (native; len > 0), ${len} bytes, …, at the end: uint64_t size, 0
 *
 * Their owner, mode, xattrs and mtime are those that the file is to get.
 */

/**
 * delta_make(file_fd, m, r, most, new_fd, old_fd, e):
 * What of the regular file ${file_fd} (open for reading) differs from ${m}, with its content from
 * ${r}: to ${new_fd} what ${m} has there, to ${old_fd} what the file has, both open for reading and
 * writing, and empty.  The latter is durable then.  Returns 1; 0 if more than
 * ${most} bytes differ, or the file cannot be read; -1.  All of ${r}'s member may have been read.
 */
int delta_make(int file_fd, const struct member *m, struct reader *r, int64_t most, int new_fd,
	int old_fd, struct err *e);

/* Whether ${file_fd} (O_PATH will do) is the file that was looked at, and nobody has written to it
 * or given it another name since: 1, 0, -1. */
int delta_fits(int delta_fd, int file_fd, struct err *e);

/* Write what ${delta_fd} holds into ${file_fd}, open for writing, and give it that size and looks;
 * ${attributes} as of attributes_apply_all.  As often as it takes. */
int delta_apply(int delta_fd, int file_fd, int attributes, struct err *e);

#endif
