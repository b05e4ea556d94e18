#ifndef JOBS_WITNESS_H
#define JOBS_WITNESS_H

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/freeze/freeze.h"
#include "jobs/sources/inventory.h"

/*
 * The witness follows the engine's events from before the plan is read, and so knows whether what
 * was frozen stayed frozen and what was described is still what is there.
 *
 *	witness_open, inventory, …, freeze, witness_frozen, copy, witness_thawing, thaw,
 *witness_judge
 */
struct witness;

int witness_open(struct engine *g, struct witness **ret_witness, struct err *e);
void witness_close(struct witness *w);

/**
 * witness_settle(w, v, e):
 * Before a freeze: containers that were touched since the inventory are inspected again, and those
 * that are gone are forgotten.
 */
int witness_settle(struct witness *w, struct inventory *v, struct err *e);

/**
 * witness_frozen(w, v, e):
 * All are frozen now; as witness_settle.
 */
int witness_frozen(struct witness *w, struct inventory *v, struct err *e);

/* The thaw begins now: what is unpaused from here on is our doing. */
void witness_thawing(struct witness *w);

/**
 * witness_judge(w, f, v, e):
 * Whether all stayed frozen.  What somebody else did to a container that was not frozen (one that
 * did not run, or keeps restarting) is a warning.  ERR_CHANGED if anyone else thawed, stopped or
 * removed one that was (witness_disturbed), or if nobody can know because the events broke off.
 */
int witness_judge(struct witness *w, const struct freeze *f, struct inventory *v, struct err *e);

/* The ids of those that did not stay frozen in the last freeze; an array, borrowed. */
const json_t *witness_disturbed(const struct witness *w);

#endif
