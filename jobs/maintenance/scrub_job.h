#ifndef JOBS_MAINTENANCE_SCRUB_JOB_H
#define JOBS_MAINTENANCE_SCRUB_JOB_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * The scrub as an operation (store/gc/scrub.h), in a lane of its own: a whole pass, or a slice.
 */
struct scrub_job {
	struct store *store;
	int64_t slice_bytes; /* 0: a whole pass */
};

/**
 * An operation_run; ${arg} is a struct scrub_job, which scrub_job_free frees.  The result: chunks,
 * bytes, chunks_damaged, chunks_mended, chunks_unread, backups, backups_damaged, damage
 * (damage_report.h: of the newest backups that have the damaged chunks, SCRUB_JOB_BACKUPS at most).
 * ERR_CORRUPT if there is damage that a backup has: its text names backups and files.
 */
enum { SCRUB_JOB_BACKUPS = 3 };
int scrub_job_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);
void scrub_job_free(void *arg);

/* The slice that covers the store in ${days} if there is one each SCRUB_JOB_SECONDS. */
enum { SCRUB_JOB_SECONDS = 3600 };
int scrub_job_slice(struct store *s, int64_t days, int64_t *ret_bytes, struct err *e);

#endif
