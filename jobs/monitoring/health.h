#ifndef JOBS_MONITORING_HEALTH_H
#define JOBS_MONITORING_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "jobs/recovery/recovery.h"
#include "store/open/store.h"

/* Below this not even the catalogue's own log could be written safely. */
static const int64_t SPACE_MIN_BYTES = 32 * 1024 * 1024;

/*
 * Whether a backup could begin now, and what is missing if not.  A thread of its own looks, every
 * HEALTH_IDLE_SECONDS and whenever somebody asks; who asks gets what it saw last, and how old that
 * is: an engine or a disk that hangs holds up the thread and nobody else.  Thread-safe.
 */
struct health;

enum {
	HEALTH_IDLE_SECONDS = 30,
	HEALTH_PAUSE_MS = 100,	  /* between two looks, whoever asks */
	HEALTH_PATIENCE_MS = 400, /* who asks waits so long for a look that begins now, */
	HEALTH_ASKERS_MAX = 4,	  /* if he is one of so many; else he gets the last one at once */
	HEALTH_SELF_SECONDS =
		30,		 /* as long as it is not known who we are, that is tried so often */
	HEALTH_ENGINE_MS = 5000, /* the engine has so long to answer */
	HEALTH_STALE_MS = 45000	 /* what is older is not believed: something hangs */
};

struct health_options {
	struct store *store; /* borrowed, as all of these */
	struct engine *engine;
	struct operations *operations;
	bool (*recovering)(void *ctx);	       /* what an earlier run left is not put right yet */
	int (*plan)(void *ctx, struct err *e); /* -1: the service's own plan is wrong */
	void *ctx;
};

int health_open(const struct health_options *o, struct health **ret_health, struct err *e);
void health_stop(struct health *h);  /* idempotent; NULL: nothing */
void health_close(struct health *h); /* after health_stop */

/* See jobs_health in jobs.h. */
json_t *health_json(struct health *h, bool *ret_well);

#endif
