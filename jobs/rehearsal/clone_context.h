#ifndef JOBS_REHEARSAL_CLONE_CONTEXT_H
#define JOBS_REHEARSAL_CLONE_CONTEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "jobs/rehearsal/clone_config.h"

/* A clone's body in the making, for the two files that make it up: clone_config.c and
 * clone_context.c. */
struct clone_context {
	const json_t *inspect;
	const char *name;
	const struct clone_config_options *options;
	json_t *unproven;
	json_t *host; /* its HostConfig */
};

/* The HostConfig that was recorded. */
const json_t *clone_context_host(const struct clone_context *m);

/* Say what is left out. */
void clone_context_lose(const struct clone_context *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Nothing that would mean anything to the engine. */
bool clone_context_is_empty(const json_t *value);

/* Whether ${mode} of a network is one of its own, and neither the host's, nor another
 * container's, nor none. */
bool clone_context_own_network(const char *mode);

/* PidMode, IpcMode, …: another clone's, or its own; never the host's. */
void clone_context_namespaces(const struct clone_context *m);

/* NetworkMode, and a new object {clone's network: endpoint}. */
json_t *clone_context_networks(const struct clone_context *m);

#endif
