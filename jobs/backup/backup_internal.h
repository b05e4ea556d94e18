#ifndef JOBS_BACKUP_BACKUP_INTERNAL_H
#define JOBS_BACKUP_BACKUP_INTERNAL_H

#include "jobs/backup/backup.h"
#include "jobs/backup/passes.h"
#include "jobs/freeze/engine_watch.h"
#include "jobs/freeze/freeze.h"
#include "jobs/freeze/hooks.h"
#include "jobs/sources/sources.h"

/* One backup, for the two files that make it. */
struct backup {
	struct operation *operation;
	const struct backup_request *request;
	char id[ID_SIZE];
	int64_t since_ns;
	struct sources staging;
	struct watch *watch;
	struct ingest *ingest;
	struct freeze *freeze;
	struct hooks *hooks;
	struct passes passes;
	struct recipe *images;	/* of image i, with its header */
	size_t images_room;	/* how many there are of these; the inventory may have fewer */
	struct recipe *sources; /* of source i */
	json_t *pass_list;
	struct pass_result measured;
	struct pass_result frozen;
	int64_t frozen_ns;
	int64_t freeze_ms;
};

/* Its record as the API shows it; ${totals}: NULL before they are known, ${error}: of a failed one.
 */
json_t *backup_record(
	const struct backup *c, const struct ingest_totals *totals, const struct err *error);

/* After the thaw: put the archive together and commit it. */
int backup_commit(struct backup *c, struct err *e);

/* Those that could not be frozen, or (disturbed) that somebody keeps from standing still: each is
 * left out alone, forgotten if it is gone, and captured as it is if it keeps restarting.  -1: the
 * plan says that this is an error. */
int backup_settle_faults(struct backup *c, struct err *e);
int backup_settle_disturbed(struct backup *c, struct err *e);

#endif
