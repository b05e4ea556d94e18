#ifndef ENGINE_NETWORKS_H
#define ENGINE_NETWORKS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/* ${id}: a whole id.  ERR_NOT_FOUND as well if the engine means another network by it. */
int networks_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e);

/* The network whose name is exactly ${name}, whatever ids begin with it.  ERR_CONFLICT if several
 * have that name. */
int networks_find(struct engine *g, const char *name, json_t **ret_inspect, struct err *e);

int networks_list(struct engine *g, json_t **ret_array, struct err *e);

/* Create again from what networks_inspect gave (name, driver, IPAM, options, labels, flags). */
int networks_recreate(struct engine *g, const json_t *inspect, struct err *e);
int networks_remove(struct engine *g, const char *id, struct err *e);

/* Connect a container (an id) with an endpoint configuration (borrowed).  ${network}: an id, or the
 * name of a network that is there.  A network that is gone can be disconnected by its name. */
int networks_connect(struct engine *g, const char *network, const char *container,
	const json_t *endpoint, struct err *e);
int networks_disconnect(
	struct engine *g, const char *network, const char *container, struct err *e);

/* bridge, host, none: always there, never made or removed. */
bool networks_predefined(const char *name);

#endif
