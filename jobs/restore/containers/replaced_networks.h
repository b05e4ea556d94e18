#ifndef JOBS_REPLACED_NETWORKS_H
#define JOBS_REPLACED_NETWORKS_H

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * Networks that are here with other settings, and that whoever restores wants as in the backup
 * ("networks" of the request).  An engine gives such a network another id, so that all containers
 * in it are made again; and no two may have the same addresses, so that the old one goes while all
 * of them stand still, and comes again if the restore is undone.
 *
 * r->replaced: {name: {"old": inspect, "new": inspect of the backup}}, noted before anything is
 * changed (rollback.h).
 */

/* After differing_find: note them, and have all containers of the restore that are in one, and what
 * needs those by id, made again. */
int replaced_networks_plan(struct restore *r, struct err *e);

/* Whether ${name} is one of them. */
bool replaced_networks_has(const struct restore *r, const char *name);

/* No container of the restore runs any more: the old ones go, the new ones are made. */
int replaced_networks_make(struct restore *r, struct err *e);

/* The new containers are gone, also after a crash: the old ones are there again, and the old
 * containers in them.  What somebody made meanwhile stays, and is named. */
int replaced_networks_undo(struct restore *r, struct err *e);

#endif
