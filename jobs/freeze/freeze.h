#ifndef JOBS_FREEZE_FREEZE_H
#define JOBS_FREEZE_FREEZE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender/lender.h"
#include "engine/self.h"
#include "jobs/freeze/freezer.h"

/*
 * One freeze of many containers at one instant.
 *
 * 1. The ids are with the guard and in the journal (fsync) before the first container is frozen.
 * 2. A container that its owner had paused, or that does not run, is in neither, and is never
 *    thawed by us.  One that ran before and stands still now was frozen by us, whatever the engine
 *    answered.
 * 3. The guard is released, and then the journal removed, only when every container that we froze
 *    was seen thawed or gone.
 * 4. After max_ms all are thawed, by a thread of the freeze's own and by the guard, whatever
 * anybody else waits for; so they are when the guard dies.
 * 5. A freeze of which anybody but its caller thawed anything is broken: freeze_check says so, from
 *    then on and after its end.
 */
struct freeze;

struct freeze_options {
	struct engine *engine; /* borrowed, as all of these */
	struct lender *guard;
	const char *freezer;	  /* FREEZER_AUTO or the name of one: for all, or ERR_UNSUPPORTED */
	const json_t *containers; /* inspects */
	const char *never;	  /* id that must not be frozen (owner of our network), or NULL */
	int run_fd;		  /* <store>/run, */
	const char *run_path;	  /* and its path */
	int64_t max_ms;
	bool faults; /* one that cannot be frozen is left out, and told by freeze_faults */
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
 * it is broken (freeze_check; all are thawed).
 */
int freeze_thaw(struct freeze *f, struct err *e);

/* Thaws if that is still to be done. */
void freeze_close(struct freeze *f);
void freeze_close_at(struct freeze **f);

/* From the first container that was frozen to the last that was thawed; -1 before. */
int64_t freeze_window_ms(const struct freeze *f);

/* -1 once it is broken: ERR_TIMEOUT if the time was up, else ERR_CHANGED.  Thread-safe. */
int freeze_check(const struct freeze *f, struct err *e);

/* {name: milliseconds frozen} of the containers that were frozen; a new object. */
json_t *freeze_windows(const struct freeze *f);

/**
 * freeze_faults(f):
 * [{"id", "name", "code", "error"}] of the containers that could not be frozen, with option
 * `faults`: they ran on, or are gone (code ERR_CHANGED).  A new array.
 */
json_t *freeze_faults(const struct freeze *f);

/* {name: "docker" | "cgroup"} of the same; a new object. */
json_t *freeze_freezers(const struct freeze *f);

/* True if ${id} was frozen by this. */
bool freeze_holds(const struct freeze *f, const char *id);

/**
 * freeze_mark(f, e), freeze_is_mark(f, id, action):
 * After the thaw: see to it that the engine tells an event of one of the containers, or of the
 * guard's; and whether an event is that one.  (Pauses are told by themselves; of cgroups the engine
 * knows nothing.)
 */
int freeze_mark(const struct freeze *f, struct err *e);
bool freeze_is_mark(const struct freeze *f, const char *id, const char *action);

/**
 * freeze_interrupt(why, names):
 * Break the freeze that this process is in, if any: all is thawed by its cgroup before this returns
 * (what has none, as soon as the engine does it), and its backup fails.  Returns false if there was
 * none; the names of those that stood still are added to ${names} (NULL: not wanted).  Thread-safe.
 */
enum freeze_interruption { FREEZE_BY_HAND, FREEZE_SOCKET_DEAD };
bool freeze_interrupt(enum freeze_interruption why, json_t *names);

/**
 * freeze_recover(g, run_fd, run_path, ret_thawed, e):
 * Thaw what the journal of an earlier run names and remove the journal; the names to ${ret_thawed}
 * (a new array; NULL: not wanted).  Nothing to do is success.
 */
int freeze_recover(
	struct engine *g, int run_fd, const char *run_path, json_t **ret_thawed, struct err *e);

#endif
