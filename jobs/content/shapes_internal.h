#ifndef JOBS_SHAPES_INTERNAL_H
#define JOBS_SHAPES_INTERNAL_H

#include "jobs/content/shapes.h"

/* What shapes.c and its tables share; nobody else includes it. */

/* What a field may be; NUL only beside another. */
enum {
	OBJECT = 1,
	ARRAY = 2,
	TEXT = 4,
	INTEGER = 8,
	REAL = 16,
	TRUTH = 32,
	NUL = 64,
	NUMBER = INTEGER | REAL,
	NEEDED = 128 /* it must be there */
};

/* A field by its path: "a.b", "a[]" each item of a list, "a{}" each value of an object. */
struct shape_field {
	const char *path;
	unsigned may;
};

/* The last one has no path. */
extern const struct shape_field shapes_manifest[];

#endif
