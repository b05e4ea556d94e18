#ifndef JOBS_RESTORE_DATA_TARGET_FILE_H
#define JOBS_RESTORE_DATA_TARGET_FILE_H

#include "jobs/restore/data/target.h"

/* Of a target that is TARGET_OVERWRITE.  Save: the present file as a tar of one member, durable
 * under its name when this returns 0.  Undo: the file as it was saved, if it was. */
int target_file_save(struct target *t, int run_fd, struct err *e);
int target_file_undo(struct target *t, struct err *e);

#endif
