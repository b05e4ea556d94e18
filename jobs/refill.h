#ifndef JOBS_REFILL_H
#define JOBS_REFILL_H

#include "base/err.h"
#include "jobs/restore.h"

/*
 * The data of a restore: every source's tree is extracted beside the old one, then swapped.
 *
 *	refill_open ──> (stop, create) ──> refill_extract ──> refill_swap ──> (start)
 *	                                        └─> refill_undo <─┘    refill_finish <─┘
 */
struct refill;

/**
 * refill_open(r, ret_refill, e):
 * While everything still runs: lend volumes, binds and host paths for writing, and see that they
 * can be put back.  Makes folders that are missing, and changes nothing else.
 */
int refill_open(struct restore *r, struct refill **ret_refill, struct err *e);

/**
 * refill_note(f):
 * Its targets, for a refill_resume by another process: a new array.
 */
json_t *refill_note(const struct refill *f);

/**
 * refill_resume(r, targets, ret_refill, e):
 * After a crash: the targets of ${targets} as they were left, ready for refill_undo or
 * refill_finish.  ${r}: its items as they are now; the layers of those that were made are left out.
 */
int refill_resume(
	struct restore *r, const json_t *targets, struct refill **ret_refill, struct err *e);
void refill_close(struct refill *f);

/* Nothing runs, all containers are made: extract everything, their layers too. */
int refill_extract(struct refill *f, struct err *e);
int refill_swap(struct refill *f, struct err *e);

/* Remove the old data. */
int refill_finish(struct refill *f, struct err *e);

/* Put the old data back; what cannot be put back is logged, with the place where it is: then -1. */
int refill_undo(struct refill *f);

#endif
