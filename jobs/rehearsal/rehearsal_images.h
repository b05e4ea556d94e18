#ifndef JOBS_REHEARSAL_REHEARSAL_IMAGES_H
#define JOBS_REHEARSAL_REHEARSAL_IMAGES_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/content/contents.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * Images that the engine does not have, for as long as a rehearsal needs them.
 *
 * An image is stored with its names, and the engine gives them to what it loads: a name that means
 * another image by now would be taken from that.  So each loaded image gets a name of ours, and the
 * names that came with it go back to what they meant before, or away.  What was noted before the
 * load (run/rehearsal.json) is enough to do that after a crash.  Removing our name then removes the
 * image, unless somebody has begun to use it.
 */

/**
 * rehearsal_images_missing(g, images, ids, id, ret_missing, e):
 * Which of the manifest's ${images} the engine lacks, as ${ids} (image_ids_find) says: a new array
 * of {"id", "image": as in the manifest, "file", "guest": a name of ours, "names": {name: id that
 * it means now, or null}}.
 */
int rehearsal_images_missing(struct engine *g, const json_t *images, const json_t *ids,
	const char *id, json_t **ret_missing, struct err *e);

struct rehearsal_images_source {
	struct store *store;
	struct engine *engine;
	struct operation *operation;
	const char *backup;
};

/* Load all of ${missing}, and note their ids here in ${ids}.  ERR_CORRUPT if the archive lacks one.
 */
int rehearsal_images_load(const struct rehearsal_images_source *source, const json_t *missing,
	json_t *ids, struct err *e);

/* Remove them, and put names back, however far the load had come.  Any number of times. */
int rehearsal_images_remove(struct engine *g, const json_t *missing, struct err *e);

#endif
