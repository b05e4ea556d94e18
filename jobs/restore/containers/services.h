#ifndef JOBS_RESTORE_CONTAINERS_SERVICES_H
#define JOBS_RESTORE_CONTAINERS_SERVICES_H

#include "jobs/restore/state/restore_state.h"

/*
 * The services of a Swarm in a restore (docs/swarm.md).  Swarm makes their tasks, and makes another
 * one where one ends: so no task is made, stopped or started here.  What a service's tasks use is
 * written to while the service is stopped: scaled to none, and then given its settings again.
 *
 *	r->services: [{"name", "way": "created", "updated" or "unchanged", "stop": bool,
 *		       "recorded": {"Spec", "running"} or null, "before": {"ID", "Spec", "running"}
 *or null}]
 *
 * It stands in the note of the restore (rollback.h) as it is: a crash is undone by it.
 */

/* Compare the recorded services, as far as they are asked for, with those that are here. */
int services_plan(struct restore *r, struct err *e);

/**
 * services_claim(r, task, what, e):
 * ${task}, an inspect, uses ${what}, which is restored.  ERR_CONFLICT in words where this engine
 * cannot stop its service.
 */
int services_claim(struct restore *r, const json_t *task, const char *what, struct err *e);

/* After impact_choose: which services have to be stopped; their tasks are no items any more. */
void services_settle(struct restore *r);

/* Make the secrets and configs that are missing. */
int services_supply(struct restore *r, struct err *e);

/* Stop those that have to be, and wait until no task of theirs runs here. */
int services_stop(struct restore *r, struct err *e);

/* Make, change and start them, and wait until as many tasks run as did. */
int services_start(struct restore *r, struct err *e);

/* The way back: stop what was started (its data are to be put back), and then give all their old
 * settings.  -1 if not all could be (restore_trouble). */
void services_halt(struct restore *r);
int services_undo(struct restore *r);

/* [{"name", "way"}], way as above or "restarted"; a new array. */
json_t *services_json(const struct restore *r);

/* Each secret without a value that is not here: its name.  A new array. */
json_t *services_lacking(const struct restore *r, struct err *e);

#endif
