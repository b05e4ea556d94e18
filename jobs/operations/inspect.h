#ifndef JOBS_OPERATIONS_INSPECT_H
#define JOBS_OPERATIONS_INSPECT_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Reading what the engine says about a container.  All that is returned is borrowed.
 */

/* A text or a truth below ${object}, by names (${second} may be NULL); "" or false where there is
 * none. */
const char *json_text(const json_t *object, const char *first, const char *second);
bool json_truth(const json_t *object, const char *first, const char *second);

/* The name of a container without the slash in front. */
const char *container_name(const json_t *inspect);

/* The Swarm service whose task the container is: Swarm makes it, starts it again, and makes another
 * one in its place.  NULL of all others. */
const char *container_service(const json_t *inspect);

/* The same of ${labels} of a container that is called ${name}. */
const char *labels_service(const json_t *labels, const char *name);

/* HostConfig.RestartPolicy; NULL if there is none. */
const json_t *container_restart_policy(const json_t *inspect);

/* "running", "paused" or "stopped". */
const char *container_state(const json_t *inspect);

#endif
