#ifndef JOBS_IMPORT_IMAGE_TAR_H
#define JOBS_IMPORT_IMAGE_TAR_H

#include <jansson.h>

#include "base/err.h"
#include "base/stream.h"

/**
 * image_tar_check(tar, id, tags, e):
 * Read ${tar}, a tar of `docker save`, to its end: is the image ${id} ("sha256:…") in it?  An
 * image's id is the SHA-256 of its configuration, which is the member HEX.json, or blobs/sha256/HEX
 * (as every blob of an OCI layout): each member with such a name must have that hash.
 * And an engine that loads it gives no name but ${tags} (image_tags.h).  ERR_CORRUPT.
 * Source: Docker image specification v1.2; OCI image layout specification 1.0, "blobs".
 */
int image_tar_check(struct source tar, const char *id, const json_t *tags, struct err *e);

#endif
