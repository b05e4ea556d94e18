#ifndef JOBS_OPERATIONS_OPERATIONS_H
#define JOBS_OPERATIONS_OPERATIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "store/open/store.h"

/*
 * Operations: long work that is answered with 202, runs on a thread of its own, one at a time, and
 * is followed by whoever asks.  Their documents are kept in the catalogue for seven days; one that
 * was cut off becomes `interrupted`.  Thread-safe, but for what says otherwise.
 *
 * Those in the background, sweeps and scrubs, have a lane of their own each: there they run beside
 * the others, one at a time as well; one more may be queued.  A rehearsal has a lane, too, so that
 * no backup waits for it, but none is queued; likewise a copy to a destination.  A restore and a
 *rehearsal do not run at once: none begins beside a restore, and a restore ends the one that runs
 *(operation_alone).
 *
 *	                   ┌──────────> cancelled          (operations_cancel, the service stops)
 *	[queued ─>] running ┼──────────> succeeded | failed (what the function returned)
 *	                   └─ a crash ─> interrupted       (journal_interrupt at the next start)
 *
 * A document: id, kind, state, phase, progress (0…1), bytes_done, bytes_total, files_done,
 * bytes_per_second, remaining_ms (null if unknown), backup (id or null), created_at, ended_at
 * (null while it runs), error (a problem or null), result (object or null), sequence (grows with
 * every change).
 */
struct operations;
struct operation;

/* Carries out an operation; may fill ${ret_result}.  Returns 0 or -1. */
typedef int operation_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);

int operations_open(struct store *s, struct operations **ret_operations, struct err *e);

/* Cancel what runs and wait for its end; nothing starts any more.  Idempotent. */
void operations_stop(struct operations *ops);
void operations_close(struct operations *ops); /* after operations_stop */

enum operation_lane { LANE_FRONT, LANE_REHEARSAL, LANE_SWEEP, LANE_SCRUB, LANE_COPY, LANES };

/**
 * operations_watch(ops, watch, ctx):
 * From now on ${watch} is told of each operation that ends, with its document.  It is called with
 * the lock held: it may not wait, nor call operations_*.  Before anything starts; one watcher.
 */
typedef void operations_watcher(void *ctx, const json_t *document);
void operations_watch(struct operations *ops, operations_watcher *watch, void *ctx);

/* The documents of those that run or are queued, at most two a lane; a new array. */
json_t *operations_alive(struct operations *ops);

struct operation_start {
	const char *kind;	  /* "backup", "restore", … */
	const char *backup;	  /* the id it is about, or NULL */
	enum operation_lane lane; /* see above */
	bool dry_run;		  /* nothing is changed: told in its document */
	operation_run *run;
	void *arg;		     /* handed to run; */
	void (*arg_free)(void *arg); /* then freed by this, also if the start fails */
};

/**
 * operations_start(ops, start, id, e):
 * ERR_BUSY if one is running in that lane (its id is then in ${id}), or for a rehearsal if a
 * restore is; ERR_CANCELLED if the service stops.  In the background it is never busy: ${id} is
 * that of a new one, or of the one that is queued already, whose work begins later than this call.
 */
int operations_start(struct operations *ops, const struct operation_start *start, char id[ID_SIZE],
	struct err *e);

/* The document of ${id}; the caller's.  ERR_NOT_FOUND. */
int operations_get(struct operations *ops, const char *id, json_t **ret_document, struct err *e);

/**
 * operations_wait(ops, id, after, timeout_ms, ret_document, e):
 * Wait until the document's sequence is above ${after}, or the operation has ended, or
 * ${timeout_ms} passed, or the service stops; then the document as it is.
 */
int operations_wait(struct operations *ops, const char *id, int64_t after, int64_t timeout_ms,
	json_t **ret_document, struct err *e);

int operations_list(struct operations *ops, int limit, const char *after, json_t **ret_array,
	bool *ret_more, struct err *e);

/* The id of the running one, rather of one that is not in the background; false if there is none.
 */
bool operations_running(struct operations *ops, char id[ID_SIZE]);

/* The same, "" if there is none; but where it cannot be told within GLANCE_MS, for a disk hangs,
 * ${id} stays as it is. */
enum { GLANCE_MS = 100 };
void operations_glance(struct operations *ops, char id[ID_SIZE]);

/* Whether one of the front lane runs, and is in ${phase}. */
bool operations_phase_is(struct operations *ops, const char *phase);

/* Whether one that runs is about ${backup}. */
bool operations_work_on(struct operations *ops, const char *backup);

/* Whether a restore or a rehearsal of ${backup} runs: what it reads must stay. */
bool operations_restore(struct operations *ops, const char *backup);

/* Ask it to stop.  ERR_NOT_FOUND, ERR_CONFLICT (it has ended, or is past operation_decide). */
int operations_cancel(struct operations *ops, const char *id, struct err *e);

bool operation_ended(const json_t *document);

/* For the function that carries it out. */
const char *operation_id(const struct operation *o);
bool operation_cancelled(struct operation *o);
bool operation_given_up(void *operation);		 /* the same, for engine_give_up */
bool operation_stopping(void *operation);		 /* the service stops */
int operation_check(struct operation *o, struct err *e); /* -1, ERR_CANCELLED if it shall stop */

/* What follows cannot be taken back: from now on nobody can cancel it.  -1, ERR_CANCELLED if
 * somebody has: then it must not follow. */
int operation_decide(struct operation *o, struct err *e);

/* Cancel the rehearsal that runs, if there is one, and wait for its end.  ERR_CANCELLED. */
int operation_alone(struct operation *o, struct err *e);
void operation_phase(struct operation *o, const char *phase); /* resets nothing */
void operation_backup(struct operation *o, const char *id);
void operation_about(struct operation *o, char backup[ID_SIZE]); /* "" if about none */
void operation_total(struct operation *o, int64_t bytes);
void operation_advance(struct operation *o, int64_t bytes, int64_t files);

#endif
