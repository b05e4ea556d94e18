#ifndef JOBS_HEALTH_H
#define JOBS_HEALTH_H

#include <jansson.h>
#include <stdint.h>

#include "engine/engine.h"
#include "jobs/operations.h"
#include "store/store.h"

/* Below this not even the catalogue's own log could be written safely. */
static const int64_t SPACE_MIN_BYTES = 32 * 1024 * 1024;

/* See jobs_health in jobs.h. */
json_t *health_json(struct store *s, struct engine *engine, struct operations *ops);

#endif
