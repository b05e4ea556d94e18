#ifndef ARCHIVE_RESTORE_SMALL_FILE_WRITER_H
#define ARCHIVE_RESTORE_SMALL_FILE_WRITER_H

#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"

/*
 * Small files get their content and their looks from a thread of its own, in the order in which
 * they were handed over: that takes about as long as reading them from an archive and making them.
 *
 *	small_file_writer_put… ─> small_file_writer_settle
 *
 * An error that the thread met is that of the next call; what was handed over behind it stays
 * empty.  What it wrote is on its way to the disk soon, by one more thread, so that who has to wait
 * for that in the end waits for little.  Memory: SMALL_FILE_WRITER_SLOTS * SMALL_FILE_WRITER_MAX
 * bytes at most.  For one caller's thread.
 */
struct small_file_writer;

enum { SMALL_FILE_WRITER_SLOTS = 32, SMALL_FILE_WRITER_MAX = 128 * 1024 };

/* The threads begin with the first file.  If there cannot be any, the caller's does the work. */
struct small_file_writer *small_file_writer_new(void);

/* What was not settled may be there or not. */
void small_file_writer_free(struct small_file_writer *s);

/* Whether ${m} is small enough, and plain. */
bool small_file_writer_takes(const struct member *m);

/**
 * small_file_writer_put(s, fd, m, r, e):
 * The file ${fd} of file_write_open, which is its from now on, becomes ${m}, which it takes, with
 * its content from ${r}.
 */
int small_file_writer_put(struct small_file_writer *s, int fd, const struct member *m,
	struct reader *r, struct err *e);

/* All that was handed over is written; to NULL nothing was. */
int small_file_writer_settle(struct small_file_writer *s, struct err *e);

#endif
