#ifndef ARCHIVE_SPARSE_MAP_H
#define ARCHIVE_SPARSE_MAP_H

#include <stdint.h>

#include "archive/intake.h"
#include "archive/member.h"
#include "base/err.h"

/**
 * sparse_map_read(in, left, m, extents, e):
 * Read the map in front of a sparse file's content (GNU 1.0) from ${in}, of whose ${left} bytes it
 * takes its own, and set the extents of ${m}, which are in ${extents} (grown; the caller's to
 * free). They must ascend, stay in the file, and add up to what the archive holds: ERR_CORRUPT.
 */
int sparse_map_read(struct intake *in, int64_t *left, struct member *m,
	struct member_extent **extents, struct err *e);

#endif
