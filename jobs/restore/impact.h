#ifndef JOBS_RESTORE_IMPACT_H
#define JOBS_RESTORE_IMPACT_H

#include "jobs/restore/restore.h"

/**
 * impact_choose(r):
 * After restore_data_compare: which containers keep running (item->keeps), and which targets take
 * part (target->active).  A container is left alone if it is there with the same configuration and
 * in the recorded state, if no tree that it uses differs, and if nothing that it needs by name or
 * id is stopped.  What a container that is stopped may write to takes part even if it is equal by
 * now, and so do all others that use it.
 */
void impact_choose(struct restore *r);

#endif
