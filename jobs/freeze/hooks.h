#ifndef JOBS_FREEZE_HOOKS_H
#define JOBS_FREEZE_HOOKS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"

/*
 * Commands that containers' labels name (docs/freeze.md): before the freeze, and after the thaw.
 * What is to be run after the thaw is noted in run/hooks.json before the first command runs, so
 * that the next start runs it if this one is killed in between.
 */
struct hooks;

/**
 * hooks_new(g, run_fd, containers, ret_hooks, e):
 * ${containers}: inspects; all are borrowed.  ERR_INVALID names a label that is wrong.
 */
int hooks_new(struct engine *g, int run_fd, const json_t *containers, struct hooks **ret_hooks,
	struct err *e);
void hooks_free_at(struct hooks **h);

/* True if there is any to be run before the freeze. */
bool hooks_any_before(const struct hooks *h);

/**
 * hooks_before(h, o, e):
 * Run those in containers that run, one after the other.  ERR_HOOK if one failed, unless its
 * container's label says to ignore that; ERR_CANCELLED.
 */
int hooks_before(struct hooks *h, struct operation *o, struct err *e);

/**
 * hooks_after(h, o):
 * Run those for after the thaw, if hooks_before was called; once.  Failures are only recorded.
 * Ends at once when the service stops: one that has begun goes on in its container, and the note
 * keeps the others for the next start.
 */
void hooks_after(struct hooks *h, struct operation *o);

/* What ran: [{"container", "when", "command", "exit_code" (null: it did not end), "output",
 * "error" (null or text), "duration_ms"}]; a new array. */
json_t *hooks_json(const struct hooks *h);

/* Run what an earlier start noted and did not come to, side by side, and wait a minute at most. */
void hooks_recover(struct engine *g, int run_fd);

#endif
