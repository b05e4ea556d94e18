#ifndef JOBS_BACKUP_BACKUP_H
#define JOBS_BACKUP_BACKUP_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "jobs/operations/settings.h"
#include "jobs/plan/plan.h"
#include "store/open/store.h"

/*
 * One backup, from the plan to the commit (docs/design/design.md section 6).
 */
struct backup_request {
	struct store *store;
	struct engine *engine;
	struct plan *plan; /* owned */
	const struct settings *settings;
	bool scheduled; /* by the service's own schedule, not asked for by anybody */
	char *pending;	/* owned: what a cut-off restore left, for a warning; or NULL */
};

/* How a backup came about, as its record has it: "schedule" or "manual". */
const char *backup_origin(const struct backup_request *r);

/* An operation_run; ${arg} is a struct backup_request. */
int backup_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);

/* Free a struct backup_request. */
void backup_request_free(void *arg);

#endif
