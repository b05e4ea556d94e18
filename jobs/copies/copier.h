#ifndef JOBS_COPIES_COPIER_H
#define JOBS_COPIES_COPIER_H

#include "jobs/copies/copies.h"

/*
 * Begins the copies that are due, one after the other, on a thread of its own.
 */
struct copier;

/* Begin it: 0; -1: ERR_BUSY, it is tried again soon, or else why it cannot begin, which is
 * recorded. */
typedef int copier_begin(void *ctx, const char *backup, const char *destination, struct err *e);

int copier_open(struct copies *copies, copier_begin *begin, void *ctx, struct copier **ret_copier,
	struct err *e);
void copier_wake(struct copier *c);  /* something may be due */
void copier_stop(struct copier *c);  /* idempotent; NULL: nothing */
void copier_close(struct copier *c); /* after copier_stop; NULL: nothing */

#endif
