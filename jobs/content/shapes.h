#ifndef JOBS_CONTENT_SHAPES_H
#define JOBS_CONTENT_SHAPES_H

#include <jansson.h>

#include "base/err.h"

/*
 * What the JSON documents of an archive look like: one table of all fields that a restore, a
 * rehearsal or a look reads, with what each may be.  Whatever stands elsewhere is left alone, for
 * it is only handed on; but nothing is nested too deep, and no name or path has a NUL (labels and
 * what a container printed may).
 */
enum shape { SHAPE_MANIFEST, SHAPE_INSPECT, SHAPE_NETWORK };

/**
 * shapes_check(json, shape, path, e):
 * Judge the document of the member ${path}.  ERR_CORRUPT naming the field, what it is and what it
 * should be.  Pure; thread-safe.
 */
int shapes_check(const json_t *json, enum shape shape, const char *path, struct err *e);

#endif
