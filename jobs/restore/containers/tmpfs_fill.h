#ifndef JOBS_RESTORE_CONTAINERS_TMPFS_FILL_H
#define JOBS_RESTORE_CONTAINERS_TMPFS_FILL_H

#include "jobs/restore/state/restore_state.h"

/*
 * Tmpfs mounts of a backup (plan: "tmpfs") in a restore.  A tmpfs is empty when its container
 * starts and gone when that ends: so a container whose tmpfs mounts are restored is always started
 * anew, is paused at once, is filled, and goes on.  What it has made itself by then stays, unless
 * the backup has it under the same name.  An undo ends the container, and the tmpfs with it.
 */

/* Whether the backup has tmpfs mounts of ${item}, which the restore is to fill. */
bool tmpfs_fill_any(const struct restore *r, const struct restore_container *item);

/* Refuse parts of a tmpfs without its container: ERR_INVALID. */
int tmpfs_fill_check(const struct restore *r, struct err *e);

/* Before anything is changed: read, and so verify, what is to be filled in. */
int tmpfs_fill_verify(struct restore *r, struct err *e);

/* Right after ${item} was started.  One that has ended by then is told. */
int tmpfs_fill(struct restore *r, const struct restore_container *item, struct err *e);

#endif
