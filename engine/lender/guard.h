#ifndef ENGINE_LENDER_GUARD_H
#define ENGINE_LENDER_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/lender/lender_wire.h"

/*
 * The guard of a freeze, in the lender's processes.  It holds the ids of what its service freezes,
 * and thaws them by itself
 *
 *	- when it is left alone: the service's socket is closed and they were not released;
 *	- when the freeze has lasted for its limit and they were not released, whatever the service
 *	  does (it may be stopped, paused, or hang);
 *	- when the engine starts it again after it was killed, if the service's journal still names
 *	  what it held.
 *
 * A lender has two of them, the second in a process of its own (the deputy): if one is killed or
 * stopped the other acts.  First the containers' own cgroups are written, which asks nobody; then
 * the engine is told, so that it knows, as soon as it answers.  What stood still before the guard
 * was armed is its owner's and is never touched.  Not thread-safe.
 */
struct guard;

/* The journal of a freeze, beside the lender's socket: {"guard": the socket's name, "containers":
 * [{"id", "name", "freezer": "docker" | "cgroup"}]}.  Without it nothing is frozen. */
#define GUARD_JOURNAL "frozen.json"

struct guard_options {
	const char *engine;  /* DOCKER_HOST */
	const char *cgroups; /* the host's /sys/fs/cgroup as seen here, or NULL */
	const char *socket;  /* the service's, beside which the journal is */
	bool deputy;	     /* tells the engine only what the other did not */
};

/* All of ${options} is borrowed.  Cgroups that cannot be had are none. */
struct guard *guard_new(const struct guard_options *options);
void guard_free(struct guard *g);
void guard_free_at(struct guard **g);

/**
 * guard_take(g, socket, m, ret_thawed, e):
 * Carry out one message of the service (lender_wire.h).  Returns 1 if it is none for a guard, 0 if
 * it is done (descriptors that it asked for are sent), -1 on error.  ${ret_thawed}: of a release,
 * whether the guard had thawed before.
 */
int guard_take(
	struct guard *g, int socket, const struct wire_message *m, bool *ret_thawed, struct err *e);

/* Milliseconds until guard_look is to be called; -1: not before the next message. */
int guard_wait_ms(const struct guard *g);

/* Thaw if it is time. */
void guard_look(struct guard *g);

/**
 * guard_alone(g):
 * The other side is gone: thaw what was not released, and stay until the engine has told for some
 * seconds that it stays so, ten minutes at most.  Returns an exit code, 0 if all run.
 */
int guard_alone(struct guard *g);

/* Hold what the journal names, if it is this guard's.  Returns how many. */
int guard_read_journal(struct guard *g);

#endif
