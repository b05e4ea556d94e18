#ifndef JOBS_REHEARSAL_REHEARSAL_HEALTH_H
#define JOBS_REHEARSAL_REHEARSAL_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "jobs/operations/operations.h"
#include "jobs/rehearsal/rehearsal_containers.h"

/*
 * Starting the clones that ran when the backup was made, and seeing whether they work.
 *
 *	start, those that it needs first ──> healthy, or up for a while ──> its check, until it
 *	succeeds
 */
struct rehearsal_health {
	struct rehearsal_containers *clones;
	struct operation *operation;
	int64_t stay_ms;   /* one without a health check has to stay up so long */
	int64_t health_ms; /* one with one has to become healthy within this */
};

/**
 * rehearsal_health_run(t, ret_containers, ret_proven, e):
 * ${ret_containers}: a new array, for each container {"name", "ok", "state", "health", "starts",
 * "started_ms", "check", "error", "logs"} (docs/rehearsal.md); ${ret_proven}: all are ok.
 * An error is one of ours or of the engine; what a container does wrong is none.
 */
int rehearsal_health_run(
	const struct rehearsal_health *t, json_t **ret_containers, bool *ret_proven, struct err *e);

#endif
