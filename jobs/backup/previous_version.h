#ifndef JOBS_BACKUP_PREVIOUS_VERSION_H
#define JOBS_BACKUP_PREVIOUS_VERSION_H

#include "archive/write/segments.h"
#include "store/write/ingest.h"

/*
 * What the last version of a large file was stored as, whatever its times were: so that the next
 * backup compares the file with those chunks instead of cutting it and looking each chunk up.
 * Kept in the segment cache, under a key of the file's path and kind; a hint, never an answer.
 */

/* Below this, looking up the few chunks takes no longer. */
enum { PREVIOUS_VERSION_MIN = 1 << 20 };

/* Whether it is of those files. */
bool previous_version_any(const struct segment *s);

/* Append its chunks to ${to}: 1, 0 if there are none or ${s} is too small, -1. */
int previous_version_find(
	struct ingest *in, const struct segment *s, struct recipe *to, struct err *e);

/* From now on it is ${recipe}. */
void previous_version_keep(struct ingest *in, const struct segment *s, const struct recipe *recipe);

#endif
