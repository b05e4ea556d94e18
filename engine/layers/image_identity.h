#ifndef ENGINE_LAYERS_IMAGE_IDENTITY_H
#define ENGINE_LAYERS_IMAGE_IDENTITY_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/engine.h"

/*
 * What an image is, whatever store it is in.  Its id is not that: a graph driver's is the digest of
 * the image's configuration, containerd's store has that of the manifest, or of the index of
 * several platforms' manifests.  All of them list the same layers.
 */

/**
 * image_identity_add(g, inspect, to):
 * Add to the object ${to} of what ${inspect} (an image's) says: "layers" (digests of the plain
 * layers), "config" (what a container inherits), and "config_digest" where it can be known: of
 * containerd's store only if layers_find has found that containerd.
 */
void image_identity_add(struct engine *g, const json_t *inspect, json_t *to);

/* True if ${recorded} ({"id", "config_digest", "layers", "config"}, all but the id may be absent)
 * is the image that ${inspect} shows: by an id, by the configuration's digest, or by equal layers
 * and an equal configuration. */
bool image_identity_equal(const json_t *recorded, const json_t *inspect);

#endif
