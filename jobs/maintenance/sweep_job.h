#ifndef JOBS_MAINTENANCE_SWEEP_JOB_H
#define JOBS_MAINTENANCE_SWEEP_JOB_H

#include <jansson.h>

#include "base/err.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * An operation_run that sweeps the store (store/gc/sweep.h), in the background; ${arg} is the
 * struct store, borrowed.  Its result: freed_bytes, copied_bytes, packs_removed, chunks_removed,
 * chunks_moved, chunks_damaged, backups_damaged.
 */
int sweep_job_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);

#endif
