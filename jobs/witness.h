#ifndef JOBS_WITNESS_H
#define JOBS_WITNESS_H

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/freeze.h"
#include "jobs/inventory.h"

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
 * witness_frozen(w, v, e):
 * All are frozen now.  Containers that were touched since the inventory are inspected again.
 * ERR_CHANGED if one is gone.
 */
int witness_frozen(struct witness *w, struct inventory *v, struct err *e);

/* The thaw begins now: what is unpaused from here on is our doing. */
void witness_thawing(struct witness *w);

/**
 * witness_judge(w, f, v, e):
 * ERR_CHANGED if anyone else thawed, started, stopped or removed a container of ${v} while it was
 * to stand still, or if nobody can know because the events broke off.
 */
int witness_judge(
	struct witness *w, const struct freeze *f, const struct inventory *v, struct err *e);

#endif
