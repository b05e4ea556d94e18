#ifndef JOBS_RESTORE_CONTAINERS_LEAKS_H
#define JOBS_RESTORE_CONTAINERS_LEAKS_H

#include "jobs/restore/state/restore_state.h"

/**
 * leaks_check(r, e):
 * After the stop: whether the root of a container that is to be written to in place is still
 * mounted, as `docker export` leaves it behind on Docker 24 to 27 until dockerd is started again.
 * What is written below such a mount the container does not see.  ERR_CHANGED if one is: its name
 * is in ${r->leaked} then, and a restore that makes it again helps.
 */
int leaks_check(struct restore *r, struct err *e);

/**
 * leaks_check_trees(r, e):
 * After the comparison: whether the layer of a container that would be written to in place differs,
 * and its storage driver keeps whole trees: what is put into such a tree cannot be undone by moving
 * it.  ERR_CHANGED likewise.  ERR_UNSUPPORTED if only a part of the layer is asked for.
 */
int leaks_check_trees(struct restore *r, struct err *e);

#endif
