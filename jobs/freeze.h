#ifndef JOBS_FREEZE_H
#define JOBS_FREEZE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender.h"

/*
 * One freeze of many containers at one instant.
 *
 * 1. The ids are with the guard and in the journal (fsync) before the first pause.
 * 2. A container that its owner had paused, or that does not run, is in neither, and is never
 *    thawed by us.
 * 3. The guard is released, and then the journal removed, only when every container that we paused
 *    was seen thawed or gone.
 */
struct freeze;

struct freeze_options {
	struct engine *engine; /* borrowed, as all of these */
	struct lender *guard;
	const json_t *containers; /* inspects */
	const char *never;	  /* id that must not be frozen (owner of our network), or NULL */
	int run_fd;		  /* <store>/run */
	int64_t max_ms;		  /* see freeze_check */
};

/**
 * freeze_begin(options, ret_freeze, e):
 * Pause all that run: first those that hold the engine's socket (they watch others), then the rest
 * in parallel.  On error all are thawed again.  ERR_CHANGED if one went away.
 */
int freeze_begin(const struct freeze_options *options, struct freeze **ret_freeze, struct err *e);

/**
 * freeze_thaw(f, e):
 * Thaw in parallel, watchers last.  Idempotent.  -1 if one could not be thawed (the guard and the
 * journal then keep it).
 */
int freeze_thaw(struct freeze *f, struct err *e);

/* Thaws if that is still to be done. */
void freeze_close(struct freeze *f);
void freeze_close_at(struct freeze **f);

/* From the first pause to the last unpause; -1 before. */
int64_t freeze_window_ms(const struct freeze *f);

/* -1, ERR_TIMEOUT, once the containers have stood still for the options' max_ms.  Thread-safe. */
int freeze_check(const struct freeze *f, struct err *e);

/* {name: milliseconds frozen} of the containers that were frozen; a new object. */
json_t *freeze_windows(const struct freeze *f);

/* True if ${id} was frozen by this. */
bool freeze_holds(const struct freeze *f, const char *id);

/**
 * freeze_recover(g, run_fd, ret_thawed, e):
 * Thaw what the journal of an earlier run names and remove the journal; the names to ${ret_thawed}
 * (a new array; NULL: not wanted).  Nothing to do is success.
 */
int freeze_recover(struct engine *g, int run_fd, json_t **ret_thawed, struct err *e);

#endif
