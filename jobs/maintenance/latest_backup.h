#ifndef JOBS_MAINTENANCE_LATEST_BACKUP_H
#define JOBS_MAINTENANCE_LATEST_BACKUP_H

#include "base/err.h"
#include "base/id.h"
#include "jobs/plan/plan.h"
#include "store/open/store.h"

/* The newest complete and sound backup that was made here of ${plan}; if there is none, the newest
 * partial one.  ERR_NOT_FOUND. */
int latest_backup(struct store *s, const struct plan *plan, char id[ID_SIZE], struct err *e);

#endif
