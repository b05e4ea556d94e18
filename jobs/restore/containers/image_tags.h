#ifndef JOBS_RESTORE_CONTAINERS_IMAGE_TAGS_H
#define JOBS_RESTORE_CONTAINERS_IMAGE_TAGS_H

#include <jansson.h>
#include <stdbool.h>

#include "archive/tar/reader.h"
#include "base/err.h"

/* True for a member of an image's tar that says which names an engine gives what it loads. */
bool image_tags_speaks(const char *path);

/**
 * image_tags_check(m, r, tags, e):
 * ${m}, of which image_tags_speaks, names one image and no name but ${tags} (a list of texts,
 * "nginx:1"); else an archive could give an image of its own the name of another one here.  None
 * at all is fine.  Reads the member's content.  ERR_CORRUPT.
 * Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format"
 * (manifest.json, repositories); OCI image layout 1.0 and containerd's annotations (index.json).
 */
int image_tags_check(const struct member *m, struct reader *r, const json_t *tags, struct err *e);

#endif
