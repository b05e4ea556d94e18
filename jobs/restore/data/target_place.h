#ifndef JOBS_RESTORE_DATA_TARGET_PLACE_H
#define JOBS_RESTORE_DATA_TARGET_PLACE_H

#include "jobs/restore/data/target.h"

/* What target.c needs to have large files written in place. */

/* Whether the member ${m}, of the ledger's number ${number}, may be. */
bool target_may_place(const struct target *t, const struct member *m, uint32_t number);

/**
 * target_place(t, m, number, r, e):
 * Put beside what is to be written into the file, and note that.  Where it is not worth it, for too
 * much differs, the member is wanted once more, to be put beside as a whole.
 */
int target_place(
	struct target *t, const struct member *m, uint32_t number, struct reader *r, struct err *e);

/* The path on disk of the member ${path}; the caller's. */
char *target_path_on_disk(const struct target *t, const char *path);

#endif
