#ifndef JOBS_MAKING_H
#define JOBS_MAKING_H

#include <jansson.h>
#include <stdbool.h>

#include "jobs/rehearsal/clone.h"

/* A clone's body in the making, for the two files that make it up: clone.c and making.c. */
struct making {
	const json_t *inspect;
	const char *name;
	const struct clone_options *options;
	json_t *unproven;
	json_t *host; /* its HostConfig */
};

/* The HostConfig that was recorded. */
const json_t *making_host(const struct making *m);

/* Say what is left out. */
void making_lose(const struct making *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Nothing that would mean anything to the engine. */
bool making_is_empty(const json_t *value);

/* Whether ${mode} of a network is one of its own, and neither the host's, nor another
 * container's, nor none. */
bool making_own_network(const char *mode);

/* PidMode, IpcMode, …: another clone's, or its own; never the host's. */
void making_namespaces(const struct making *m);

/* NetworkMode, and a new object {clone's network: endpoint}. */
json_t *making_networks(const struct making *m);

#endif
