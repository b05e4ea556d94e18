#ifndef JOBS_SCHEDULER_H
#define JOBS_SCHEDULER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "jobs/operations/operations.h"
#include "jobs/plan/schedule.h"
#include "store/catalogue/runs.h"
#include "store/open/store.h"

/*
 * Starts what is due by itself, on a thread of its own: the default plan by its schedule, a
 * rehearsal of its newest backup by a schedule of its own, and slices of a scrub each hour.  There
 * is none unless one of them is asked for.
 *
 *	waiting ── due ──> starting ── started ──> waiting for the next time
 *	                    │   ^
 *	                    busy: until that operation has ended (a rehearsal keeps no backup
 *	                    waiting, and tries after a minute); else: after a minute
 *
 * A run that is due stays due, also over a restart, until it was started: runs that were missed,
 * however many, are made up by one.  The next time is one behind the start, so runs never overlap.
 */
struct scheduler;

/* Begin something; as jobs_backup. */
typedef int scheduler_begin(void *ctx, char id[ID_SIZE], struct err *e);

enum scheduler_table { SCHEDULE_BACKUP, SCHEDULE_REHEARSAL, SCHEDULES };

struct scheduler_options {
	struct store *store;		    /* borrowed */
	struct operations *operations;	    /* borrowed */
	const json_t *schedules[SCHEDULES]; /* of the plan, borrowed for the call; NULL: none */
	int64_t scrub_days;		    /* 0: none */
	scheduler_begin *backup;	    /* of the default plan */
	scheduler_begin *rehearse;	    /* of the newest backup of that */
	scheduler_begin *scrub;		    /* a slice of it */
	void *ctx;
};

/* ${ret_scheduler}: NULL if there is nothing to do.  ERR_INVALID (the schedule). */
int scheduler_open(
	const struct scheduler_options *options, struct scheduler **ret_scheduler, struct err *e);
void scheduler_stop(struct scheduler *s);  /* ends the thread; idempotent; NULL: nothing */
void scheduler_close(struct scheduler *s); /* after scheduler_stop; NULL: nothing */

/* When it last ran (0: never) and runs next; false without a schedule. */
bool scheduler_runs(struct scheduler *s, enum scheduler_table table, struct runs *ret_runs);

/* A new object {"last_at": time or null, "next_at": time, "timezone": whose clocks it goes by};
 * null without a schedule. */
json_t *scheduler_json(struct scheduler *s, enum scheduler_table table);

#endif
