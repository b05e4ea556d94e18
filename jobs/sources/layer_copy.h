#ifndef JOBS_SOURCES_LAYER_COPY_H
#define JOBS_SOURCES_LAYER_COPY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * The layer of a container of which nobody knows where it is, read through the Engine API: the list
 * of what changed, and of each change its part of the container's files as a tar, which has to have
 * its end marker.  It is put into a folder of ours in the form of an upper directory whose
 * deletions are marked by files .wh.NAME (LAYER_NAMED).
 *
 * What the API does not hand out is lost: fractions of seconds, extended attributes (capabilities
 * excepted) and ACLs, holes, sockets, hard links between what was read by itself, names that are no
 * UTF-8.  What is mounted into the container is no part of its layer, and is left out.
 */
struct layer_copy;

/**
 * layer_copy_new(g, inspect, folder, ret_copy, e):
 * An empty one of container ${inspect}, in a new folder in ${folder}.  Borrows ${g}.
 */
int layer_copy_new(struct engine *g, const json_t *inspect, const char *folder,
	struct layer_copy **ret_copy, struct err *e);

/* Its folder goes with it.  NULL is allowed. */
void layer_copy_free(struct layer_copy *c);

/* The folder, borrowed. */
int layer_copy_fd(const struct layer_copy *c);

/**
 * layer_copy_take(c, cancelled, ctx, e):
 * Read it anew, as it is now.  ${cancelled}: whether to give up, asked between bytes.
 */
int layer_copy_take(struct layer_copy *c, bool (*cancelled)(void *ctx), void *ctx, struct err *e);

/* Remove what services that were killed left in the folder ${folder_fd}. */
void layer_copy_sweep(int folder_fd);

#endif
