#ifndef JOBS_RECOVERY_STARTUP_RECOVERY_H
#define JOBS_RECOVERY_STARTUP_RECOVERY_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "store/open/store.h"

/*
 * What an earlier run of this service left, as its notes in <store>/run and the engine tell.
 */

/* Thaw what it left frozen; the names to ${ret_thawed} (a new array; NULL: not wanted). */
int startup_recovery_thaw(struct store *s, struct engine *g, json_t **ret_thawed, struct err *e);

/**
 * startup_recovery_settle(s, g, since_ns, called_off, ctx, left, e):
 * Put all of it right: frozen containers first, then hooks, restores, lenders, files that nobody
 * has changed since ${since_ns} (clock_real_ns).  Not while an operation runs.  ${called_off} (an
 * engine_give_up) may end it once nothing is frozen; ${left}: as rollback_recover.
 */
int startup_recovery_settle(struct store *s, struct engine *g, int64_t since_ns,
	bool (*called_off)(void *ctx), void *ctx, json_t *left, struct err *e);

#endif
