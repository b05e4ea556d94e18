#ifndef ARCHIVE_SCRIBE_H
#define ARCHIVE_SCRIBE_H

#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"

/*
 * Small files get their content and their looks from a thread of its own, in the order in which
 * they were handed over: that takes about as long as reading them from an archive and making them.
 *
 *	scribe_put… ─> scribe_settle
 *
 * An error that the thread met is that of the next call; what was handed over behind it stays
 * empty.  What it wrote is on its way to the disk soon, by one more thread, so that who has to wait
 * for that in the end waits for little.  Memory: SCRIBE_SLOTS * SCRIBE_MAX bytes at most.  For one
 * caller's thread.
 */
struct scribe;

enum { SCRIBE_SLOTS = 32, SCRIBE_MAX = 128 * 1024 };

/* The threads begin with the first file.  If there cannot be any, the caller's does the work. */
struct scribe *scribe_new(void);

/* What was not settled may be there or not. */
void scribe_free(struct scribe *s);

/* Whether ${m} is small enough, and plain. */
bool scribe_takes(const struct member *m);

/**
 * scribe_put(s, fd, m, r, e):
 * The file ${fd} of put_open, which is its from now on, becomes ${m}, which it takes, with its
 * content from ${r}.
 */
int scribe_put(struct scribe *s, int fd, const struct member *m, struct reader *r, struct err *e);

/* All that was handed over is written; to NULL nothing was. */
int scribe_settle(struct scribe *s, struct err *e);

#endif
