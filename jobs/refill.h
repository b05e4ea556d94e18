#ifndef JOBS_REFILL_H
#define JOBS_REFILL_H

#include "base/err.h"
#include "jobs/restore.h"

/*
 * The data of a restore: every source's tree is extracted beside the old one, then swapped.
 */
struct refill;

int refill_open(struct restore *r, struct refill **ret_refill, struct err *e);
void refill_close(struct refill *f);

int refill_extract(struct refill *f, struct err *e);
int refill_swap(struct refill *f, struct err *e);

/* Remove the old layers, which must not be seen by a running container; then the other old data. */
int refill_finish_layers(struct refill *f, struct err *e);
int refill_finish(struct refill *f, struct err *e);
void refill_undo(struct refill *f);

#endif
