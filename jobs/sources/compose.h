#ifndef JOBS_SOURCES_COMPOSE_H
#define JOBS_SOURCES_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/sources/inventory.h"

/* Takes one file of a project. */
typedef int compose_take(void *ctx, const char *path, struct err *e);

/**
 * compose_files(inspect, image, take, refused, ctx, e):
 * The files that made the container ${inspect}, if compose made it.  An image's author can write
 * the same labels into the image, where every container of it has them: so a label counts that
 * ${image} (its inspect, or NULL if it is gone: then none counts) has not got with the same value.
 * And a project's files are those below its folder: all others are handed to ${refused}, as are
 * those with a "..", an empty part, or a part that is too long for a file system.
 */
int compose_files(const json_t *inspect, const json_t *image, compose_take *take,
	compose_take *refused, void *ctx, struct err *e);

/* Add them to ${v}; what is refused is a warning. */
int compose_add(struct inventory *v, struct engine *g, const json_t *inspect, struct err *e);

/* Whether ${path} is absolute, lies below ${folder}, and can stand in an archive. */
bool compose_is_below(const char *folder, const char *path);

#endif
