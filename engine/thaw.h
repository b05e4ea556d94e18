#ifndef ENGINE_THAW_H
#define ENGINE_THAW_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * Thawing a container that the engine has paused, whatever the engine does.  An exec (so a health
 * probe, too) that starts in the very moment of a pause is frozen half-way, and the engine then
 * waits for it with the container locked: its unpause never comes to an end.  Only the switch of
 * the container's own cgroup helps, after which the engine takes what runs for paused until both
 * agree again.  Seen with 20.10, one pause of eleven that has an exec beside it; runc's issue 4481.
 */

/* Sets the freezer of a container's own cgroup. */
struct thaw_switch {
	int (*set)(void *ctx, const char *id, bool frozen, struct err *e); /* NULL: there is none */
	void *ctx;
};

/**
 * thaw_container(g, by, id, e):
 * Returns 0 once ${id} runs, has ended or is gone; ${ret_helped} then says whether the switch was
 * needed.  -1: it may be frozen still; to be tried again.
 */
int thaw_container(struct engine *g, const struct thaw_switch *by, const char *id, bool *ret_helped,
	struct err *e);

#endif
