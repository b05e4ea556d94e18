#ifndef JOBS_RESTORE_DATA_STAND_INS_H
#define JOBS_RESTORE_DATA_STAND_INS_H

#include <jansson.h>

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * An engine refuses to make a container with a mount of what is not there (Compose's secrets and
 * configs are such mounts), and what the backup puts there comes only after the containers are
 * made, for their layers are put back with it.  So an empty file stands there in between.
 */
struct stand_ins;

/* One for each mount of a container that is made now, where the backup puts back what is missing:
 * in folders that are lent (restore_data_lend).  Free with stand_ins_remove. */
int stand_ins_make(struct restore *r, struct stand_ins **ret_stand_ins, struct err *e);

/* Take all of them away, and the folders that were made for them; NULL is fine. */
void stand_ins_remove(struct stand_ins *s);

#endif
