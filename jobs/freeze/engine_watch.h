#ifndef JOBS_FREEZE_ENGINE_WATCH_H
#define JOBS_FREEZE_ENGINE_WATCH_H

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/freeze/freeze.h"
#include "jobs/sources/inventory.h"

/*
 * The watch follows the engine's events from before the plan is read, and so knows whether what
 * was frozen stayed frozen and what was described is still what is there.
 *
 *	engine_watch_open, inventory, …, freeze, engine_watch_frozen, copy, engine_watch_thawing,
 * thaw, engine_watch_judge
 */
struct watch;

int engine_watch_open(struct engine *g, struct watch **ret_witness, struct err *e);
void engine_watch_close(struct watch *w);

/**
 * engine_watch_settle(w, v, e):
 * Before a freeze: containers that were touched since the inventory are inspected again, and those
 * that are gone are forgotten.
 */
int engine_watch_settle(struct watch *w, struct inventory *v, struct err *e);

/**
 * engine_watch_frozen(w, v, e):
 * All are frozen now; as engine_watch_settle.
 */
int engine_watch_frozen(struct watch *w, struct inventory *v, struct err *e);

/* The thaw begins now: what is unpaused from here on is our doing. */
void engine_watch_thawing(struct watch *w);

/**
 * engine_watch_judge(w, f, v, e):
 * Whether all stayed frozen.  What somebody else did to a container that was not frozen (one that
 * did not run, or keeps restarting) is a warning.  ERR_CHANGED if anyone else thawed, stopped or
 * removed one that was (engine_watch_disturbed), or if nobody can know because the events broke
 * off.
 */
int engine_watch_judge(struct watch *w, const struct freeze *f, struct inventory *v, struct err *e);

/* The ids of those that did not stay frozen in the last freeze; an array, borrowed. */
const json_t *engine_watch_disturbed(const struct watch *w);

#endif
