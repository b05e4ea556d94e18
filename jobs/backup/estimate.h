#ifndef JOBS_BACKUP_ESTIMATE_H
#define JOBS_BACKUP_ESTIMATE_H

#include <jansson.h>

#include "jobs/backup/backup.h"

/**
 * estimate_take(request, ret_plan, e):
 * What a backup would contain now: containers, images, sources with bytes and files, warnings, and
 * how long it would freeze: the median of the last backups of this plan, else an estimate from the
 * numbers of containers and files.  Writes nothing.  A new object.
 */
int estimate_take(const struct backup_request *request, json_t **ret_plan, struct err *e);

#endif
