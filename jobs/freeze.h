#ifndef JOBS_FREEZE_H
#define JOBS_FREEZE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender.h"
#include "engine/self.h"
#include "jobs/freezer.h"

/*
 * One freeze of many containers at one instant.
 *
 * 1. The ids are with the guard and in the journal (fsync) before the first container is frozen.
 * 2. A container that its owner had paused, or that does not run, is in neither, and is never
 *    thawed by us.
 * 3. The guard is released, and then the journal removed, only when every container that we froze
 *    was seen thawed or gone.
 * 4. After max_ms all are thawed by a thread of the freeze's own, whatever its caller waits for.
 */
struct freeze;

struct freeze_options {
	struct engine *engine; /* borrowed, as all of these */
	struct lender *guard;
	const struct freezer *freezer;
	const json_t *containers; /* inspects */
	const char *never;	  /* id that must not be frozen (owner of our network), or NULL */
	int run_fd;		  /* <store>/run, */
	const char *run_path;	  /* and its path */
	int64_t max_ms;
};

/**
 * freeze_begin(options, ret_freeze, e):
 * Freeze all that run.  On error all are thawed again.  ERR_CHANGED if one went away,
 * ERR_UNSUPPORTED if the freezer cannot work here (nothing was frozen then), ERR_TIMEOUT.
 */
int freeze_begin(const struct freeze_options *options, struct freeze **ret_freeze, struct err *e);

/**
 * freeze_thaw(f, e):
 * Thaw.  Idempotent.  -1 if one could not be thawed (the guard and the journal then keep it), or if
 * the time was up before (ERR_TIMEOUT; all are thawed).
 */
int freeze_thaw(struct freeze *f, struct err *e);

/* Thaws if that is still to be done. */
void freeze_close(struct freeze *f);
void freeze_close_at(struct freeze **f);

/* From the first container that was frozen to the last that was thawed; -1 before. */
int64_t freeze_window_ms(const struct freeze *f);

/* -1, ERR_TIMEOUT, once the time is up.  Thread-safe. */
int freeze_check(const struct freeze *f, struct err *e);

/* {name: milliseconds frozen} of the containers that were frozen; a new object. */
json_t *freeze_windows(const struct freeze *f);

/* True if ${id} was frozen by this. */
bool freeze_holds(const struct freeze *f, const char *id);

/**
 * freeze_mark(f, e), freeze_event(f):
 * After the thaw: see to it that the engine tells an event of one of the containers, and which
 * action that is.  (Pauses are told by themselves; of cgroups the engine knows nothing.)
 */
int freeze_mark(const struct freeze *f, struct err *e);
const char *freeze_event(const struct freeze *f);

/**
 * freeze_recover(g, run_fd, run_path, ret_thawed, e):
 * Thaw what the journal of an earlier run names and remove the journal; the names to ${ret_thawed}
 * (a new array; NULL: not wanted).  Nothing to do is success.
 */
int freeze_recover(
	struct engine *g, int run_fd, const char *run_path, json_t **ret_thawed, struct err *e);

#endif
