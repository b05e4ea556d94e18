#ifndef ARCHIVE_SCRIBE_H
#define ARCHIVE_SCRIBE_H

#include "archive/member.h"
#include "archive/reader.h"
#include "base/err.h"

/*
 * Small files are written by a thread of its own, in the order in which they were handed over:
 * making one, and giving it its looks, takes about as long as reading it from an archive.
 *
 *	scribe_put… ─> scribe_settle
 *
 * An error that the thread met is that of the next call; what was handed over behind it is not
 * written.  Memory: SCRIBE_SLOTS * SCRIBE_MAX bytes at most.  For one caller's thread.
 */
struct scribe;

enum { SCRIBE_SLOTS = 32, SCRIBE_MAX = 128 * 1024 };

/* The thread begins with the first file.  If there cannot be one, the caller's does the work. */
struct scribe *scribe_new(void);

/* What was not settled may be there or not. */
void scribe_free(struct scribe *s);

/* Whether ${m} is small enough, and plain. */
bool scribe_takes(const struct member *m);

/**
 * scribe_put(s, dir, name, m, r, e):
 * ${m}, which it takes, with its content from ${r}, becomes ${name} in ${dir}, which has to be open
 * until scribe_close or scribe_settle.
 */
int scribe_put(struct scribe *s, int dir, const char *name, const struct member *m,
	struct reader *r, struct err *e);

/* Close ${dir}, which is its from now on, behind what was handed over so far. */
void scribe_close(struct scribe *s, int dir);

/* All that was handed over is written; to NULL nothing was. */
int scribe_settle(struct scribe *s, struct err *e);

#endif
