#ifndef ENGINE_IMAGES_H
#define ENGINE_IMAGES_H

#include <jansson.h>

#include "base/err.h"
#include "base/stream.h"
#include "engine/engine.h"

/* ${id}: a whole id, or whatever the engine takes for an image's name: the caller compares. */
int images_inspect(struct engine *g, const char *id, json_t **ret_inspect, struct err *e);

/* The image that has the name ${reference} ("repo:tag", or "repo" for its tag latest): the engine
 * takes a name that no image has for the beginning of an id. */
int images_find(struct engine *g, const char *reference, json_t **ret_inspect, struct err *e);

/* ${reference} as an engine lists it: short, and with its tag.  The caller's. */
char *images_familiar(const char *reference);

int images_list(struct engine *g, json_t **ret_array, struct err *e);

/**
 * images_save(g, names, count, sink, e):
 * The `docker save` tar of the images ${names} (ids or tags) to ${sink}.  A reply of 200 does not
 * mean a complete tar: ERR_IO unless the end-of-archive marker came.
 */
int images_save(struct engine *g, const char *const *names, size_t count, const struct sink *sink,
	struct err *e);

/**
 * images_load(g, tar, ret_loaded, e):
 * `docker load`; ${ret_loaded}: names and ids that the engine says it loaded, the caller's.  An
 * error in the reply's stream of messages is ERR_ENGINE.
 */
int images_load(struct engine *g, const struct source *tar, json_t **ret_loaded, struct err *e);

/* Take the name ${reference} away, and the image with its last name.  ERR_CONFLICT while a
 * container needs it; it being gone already is success. */
int images_remove(struct engine *g, const char *reference, struct err *e);

/* Give ${id} the name ${reference} ("repo:tag"). */
int images_tag(struct engine *g, const char *id, const char *reference, struct err *e);

#endif
