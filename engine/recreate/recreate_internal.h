#ifndef ENGINE_RECREATE_RECREATE_INTERNAL_H
#define ENGINE_RECREATE_RECREATE_INTERNAL_H

#include <jansson.h>

#include "engine/recreate/recreate.h"

/* What the files of recreate share. */
#define RECREATE_CONTAINER_MODE "container:"
enum { RECREATE_SHORT_ID = 12 }; /* characters of an id that engines show and use as a name */

/* The text at ${key}; "" if there is none.  Borrowed. */
const char *recreate_text(const json_t *object, const char *key);

/* Tell that the container's ${what} was left out. */
void recreate_leave_out(const struct recreate_options *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * recreate_mounts(host, inspect, o):
 * Map the volumes-from of ${host}, a HostConfig, and name the volumes that stand only in the
 * Mounts of ${inspect}: the engine would make new empty ones.
 */
void recreate_mounts(json_t *host, const json_t *inspect, const struct recreate_options *o);

/* In ${body}: what the inspected engine says in words of its own, in those that the other one
 * takes. */
void recreate_dialect(json_t *body, const json_t *inspect, const struct recreate_options *o);

/**
 * recreate_networks(inspect, o, ret_mode):
 * {name: endpoint as it was inspected}: each network once and by its name, even if it was given by
 * its id.  A new object.  ${ret_mode}: the NetworkMode likewise; the caller's to free.
 */
json_t *recreate_networks(const json_t *inspect, const struct recreate_options *o, char **ret_mode);

/* True if ${network} is what the engine connects a container of that mode to by itself. */
bool recreate_is_main(const char *mode, const char *network);

#endif
