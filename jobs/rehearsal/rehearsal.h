#ifndef JOBS_REHEARSAL_REHEARSAL_H
#define JOBS_REHEARSAL_REHEARSAL_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * Proving that a backup can be restored: it is restored into clones that nothing connects to the
 * host and its containers, they are started and looked at, and all is removed again
 * (docs/rehearsal.md).
 *
 *	read ─> images, networks, volumes ─> create ─> fill ─> start ─> check ─> remove ─> verdict
 *
 * Everything that is made has a label, and the images that are loaded a note (run/rehearsal.json,
 * written before the first thing is made, removed after the last is gone): whoever finds the note
 * removes what is left.
 */
struct rehearsal_request {
	struct store *store;
	struct engine *engine;
	char *backup;		/* owned */
	int64_t memory_bytes;	/* of all clones together; 0: half of the host's */
	int64_t cpus;		/* that all share; 0: half of the host's */
	int64_t stay_seconds;	/* without a health check a clone has to stay up so long */
	int64_t health_seconds; /* with one it has to become healthy within this */
};

enum {
	REHEARSAL_STAY_SECONDS = 3,
	REHEARSAL_STAY_SECONDS_MAX = 600,
	REHEARSAL_HEALTH_SECONDS = 120,
	REHEARSAL_HEALTH_SECONDS_MAX = 3600,
	REHEARSAL_CPUS_MAX = 4096
};

/* Fill ${r} from an object with any of "memory_bytes", "cpus", "stay_seconds", "health_seconds", or
 * NULL; ERR_INVALID. */
int rehearsal_parse(const json_t *request, struct rehearsal_request *r, struct err *e);

/**
 * rehearsal_run(o, arg, ret_result, e):
 * An operation_run; ${arg}: a struct rehearsal_request.  If there is a verdict it is the result,
 * and recorded with the backup; ERR_UNPROVEN if it is "failed".
 */
int rehearsal_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);
void rehearsal_request_free(void *arg);

/**
 * rehearsal_recover(store, g, e):
 * Remove what an earlier rehearsal of this store left, if its note is there.  On error the note
 * stays.  Not while one runs.
 */
int rehearsal_recover(struct store *store, struct engine *g, struct err *e);

#endif
