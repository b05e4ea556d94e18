#ifndef JOBS_BACKUP_IMAGE_COPY_H
#define JOBS_BACKUP_IMAGE_COPY_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "store/format/recipe.h"
#include "store/write/ingest.h"

struct image_copy { /* all borrowed */
	struct operation *operation;
	struct engine *engine;
	struct ingest *ingest;
};

/**
 * image_copy_bytes(c, images, ret_bytes, e):
 * About how much image_copy would have to read for all ${images}: of those not in the store.
 */
int image_copy_bytes(
	const struct image_copy *c, const json_t *images, int64_t *ret_bytes, struct err *e);

/**
 * image_copy(c, image, to, e):
 * Append the archive's member of ${image} ({"id", "tags", "file", "size_bytes"}) to ${to}.  An
 * image that is in the store already is not read again.
 */
int image_copy(const struct image_copy *c, const json_t *image, struct recipe *to, struct err *e);

#endif
