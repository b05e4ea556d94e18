#ifndef JOBS_RESTORE_KEEPER_H
#define JOBS_RESTORE_KEEPER_H

#include "jobs/restore/restore.h"

/*
 * The engine removes a container that was made with --rm when it ends, and its anonymous volumes
 * with it, unless another container has them, too.  The keeper is that one: a container that is
 * never started, from before the first stop until nobody needs the old state any more.
 */

/* Nothing is made if no container that is stopped has such a volume. */
int keeper_hold(const struct restore *r, struct err *e);

/* It being gone already is success. */
int keeper_release(const struct restore *r, struct err *e);

#endif
