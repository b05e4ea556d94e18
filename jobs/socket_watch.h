#ifndef JOBS_SOCKET_WATCH_H
#define JOBS_SOCKET_WATCH_H

#include "base/err.h"
#include "engine/engine.h"

/*
 * Looks twice a second whether the engine's socket is dead (engine_socket_dead): after a restart of
 * an engine that leaves containers running, a container that has the socket mounted stays on a file
 * that nobody answers on.  Then what is frozen is thawed at once, by its cgroups, and ${dead} is
 * called, once, on this thread.
 */
struct socket_watch;

int socket_watch_open(struct engine *g, void (*dead)(void *ctx), void *ctx,
	struct socket_watch **ret_watch, struct err *e);
void socket_watch_close(struct socket_watch *w); /* NULL is allowed */

#endif
