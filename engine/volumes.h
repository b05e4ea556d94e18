#ifndef ENGINE_VOLUMES_H
#define ENGINE_VOLUMES_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"

/* ${name}: the whole one; what an engine takes it for besides (Podman: the beginning of another
 * name) is ERR_NOT_FOUND. */
int volumes_inspect(struct engine *g, const char *name, json_t **ret_inspect, struct err *e);

int volumes_list(struct engine *g, json_t **ret_array, struct err *e);

/* Create again from what volumes_inspect gave: name, driver, options, labels. */
int volumes_recreate(struct engine *g, const json_t *inspect, struct err *e);

/* Nothing but the volume of just that name.  ERR_NOT_FOUND, ERR_CONFLICT while it is used. */
int volumes_remove(struct engine *g, const char *name, struct err *e);

#endif
