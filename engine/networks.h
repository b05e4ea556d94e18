#ifndef ENGINE_NETWORKS_H
#define ENGINE_NETWORKS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

int networks_inspect(struct engine *g, const char *name, json_t **ret_inspect, struct err *e);

int networks_list(struct engine *g, json_t **ret_array, struct err *e);

/* Create again from what networks_inspect gave (name, driver, IPAM, options, labels, flags). */
int networks_recreate(struct engine *g, const json_t *inspect, struct err *e);
int networks_remove(struct engine *g, const char *name, struct err *e);

/* Connect a container with an endpoint configuration (borrowed). */
int networks_connect(struct engine *g, const char *name, const char *container,
	const json_t *endpoint, struct err *e);
int networks_disconnect(struct engine *g, const char *name, const char *container, struct err *e);

/* bridge, host, none: always there, never made or removed. */
bool networks_predefined(const char *name);

#endif
