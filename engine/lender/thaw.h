#ifndef ENGINE_LENDER_THAW_H
#define ENGINE_LENDER_THAW_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * Thawing a container that the engine has paused, whatever the engine does.  An exec (so a health
 * probe, too) that starts in the very moment of a pause is frozen half-way, and the engine then
 * waits for it with the container locked: its unpause never comes to an end.  Only the switch of
 * the container's own cgroup helps, after which the engine takes what runs for paused until both
 * agree again.  Seen with 20.10, one pause of eleven that has an exec beside it; runc's issue 4481.
 * The same switch helps where the engine is away, hangs, or claims what it has not done.
 */

/* The freezer of a container's own cgroup. */
struct thaw_switch {
	/* Set it.  NULL: there is none. */
	int (*set)(void *ctx, const char *id, bool frozen, struct err *e);
	/* 1: the kernel holds it still; 0: it runs or is gone; -1: not known.  NULL: never known.
	 */
	int (*look)(void *ctx, const char *id);
	void *ctx;
};

struct thaw_result {
	bool helped; /* the switch was needed */
	bool runs;   /* for sure, whatever the engine believes */
};

/**
 * thaw_container(g, by, id, ret_result, e):
 * Returns 0 once ${id} runs and the engine knows it, or it has ended or is gone.  -1: it may be
 * frozen still, unless ${ret_result} says that it runs; to be tried again.  Takes some seconds at
 * most; what runs is never left frozen by this.
 */
int thaw_container(struct engine *g, const struct thaw_switch *by, const char *id,
	struct thaw_result *ret_result, struct err *e);

/**
 * thaw_pause_again(g, by, id):
 * ${id} was frozen and thawed by its cgroup, which the engine knows nothing of.  If its owner had
 * the engine pause it meanwhile, it stands still again.
 */
void thaw_pause_again(struct engine *g, const struct thaw_switch *by, const char *id);

#endif
