#ifndef JOBS_RECOVERY_RECOVERY_H
#define JOBS_RECOVERY_RECOVERY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * Putting right what an earlier run of this service, or a restore that failed, has left: a thread
 * that tries again by itself until it is so and stays so.  Thread-safe.
 *
 *	        ┌──────── all is put right ────────┐
 *	        v                                  │
 *	      idle ──start, or a note is left──> trying ──undone──> watching ──> idle
 *	                                          │  ^
 *	                                  failed  v  │  some seconds later, or when asked
 *	                                         waiting ──abandoned──> idle
 *
 * While it tries, nothing else works on the engine's containers.  While it waits or watches,
 * backups go on; restores and rehearsals do not.
 */
struct recovery;

/* Starts trying at once, beside the caller. */
int recovery_open(
	struct store *store, struct engine *engine, struct recovery **ret_recovery, struct err *e);
void recovery_stop(struct recovery *r); /* idempotent; NULL will do */
void recovery_close(struct recovery *r);

/* Whose operation it is: one that only reads what is there, or one that must have it put right. */
enum recovery_user { RECOVERY_READER, RECOVERY_CHANGER };

/**
 * recovery_admit(r, user, e):
 * Whether such an operation may be begun now: ERR_CONFLICT names what is not put right, and what to
 * do, if a changer would only wait for it.
 */
int recovery_admit(struct recovery *r, enum recovery_user user, struct err *e);

/**
 * recovery_enter(r, o, user, ret_pending, e):
 * Wait until ${o} may begin, and hold off what recovery does until recovery_leave.  ${ret_pending}:
 * the caller's; what is not put right, in words, else NULL.  ERR_CANCELLED, ERR_CONFLICT,
 * ERR_UNREACHABLE: it may not.
 */
int recovery_enter(struct recovery *r, struct operation *o, enum recovery_user user,
	char **ret_pending, struct err *e);
void recovery_leave(struct recovery *r);

/**
 * recovery_state(r):
 * A new object, from memory: "pending", "phase", "since", "attempts", "error" (a problem or null),
 * "restore" (what is to be put right, or null), "last" (what became of the last one, or null); see
 * the contract.  Never waits.
 */
json_t *recovery_state(struct recovery *r);

/* The same for GET /health: null if nothing is pending. */
json_t *recovery_brief(struct recovery *r, bool *ret_well);

/* Wait, at most half a minute, while it is being tried: lenders of others would be taken for left
 * ones. */
void recovery_settled(struct recovery *r);

/* Try at once, and wait for the end of that try, at most half a minute. */
void recovery_retry(struct recovery *r);

/**
 * recovery_abandon(r, e):
 * Give up what is pending: what is beside stays where it is, and "last" of recovery_state says
 * where.  ERR_NOT_FOUND if nothing is pending; ERR_BUSY if a try does not end.
 */
int recovery_abandon(struct recovery *r, struct err *e);

#endif
