#ifndef JOBS_RESTORE_CONTAINERS_IMAGE_IDS_H
#define JOBS_RESTORE_CONTAINERS_IMAGE_IDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/stream.h"
#include "engine/engine.h"

/*
 * Which id a backup's image has with this engine, whose store may be another kind than that of the
 * engine that it was taken from: {recorded id: id here}, of those that are here.
 */

/**
 * image_ids_find(g, images, ret_ids, e):
 * Of the manifest's ${images}.  Found by their id, then by the digest of the configuration, at last
 * by equal layers among all that the engine has.  The caller's.
 */
int image_ids_find(struct engine *g, const json_t *images, json_t **ret_ids, struct err *e);

/* The id here of the image that was recorded as ${id}; ${id} itself if it is not known here. */
const char *image_ids_here(const json_t *ids, const char *id);

/**
 * image_ids_load(g, image, tar, ids, e):
 * Load ${image} of the manifest from ${tar} and note its id here in ${ids}.  ERR_CORRUPT if the
 * engine loads another one.
 */
int image_ids_load(struct engine *g, const json_t *image, const struct source *tar, json_t *ids,
	struct err *e);

/* 1 if ${name} means the manifest's ${image} to this engine, 0 if another one or none, -1. */
int image_ids_means(struct engine *g, const json_t *image, const char *name, struct err *e);

#endif
