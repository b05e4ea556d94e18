#ifndef ARCHIVE_TAR_SPARSE_MAP_H
#define ARCHIVE_TAR_SPARSE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "archive/tar/buffered_source.h"
#include "archive/tar/member.h"
#include "base/err.h"

/**
 * sparse_map_read(in, size, left, extents, ret_count, e):
 * Read the map of a sparse file of ${size} bytes, whose blocks come first among the ${left} bytes
 * that the archive holds for it; ${left} becomes what is behind it.  ${extents}, grown as needed,
 * is the caller's.  They must ascend, stay in the file, and add up to what is left: ERR_CORRUPT.
 * Source: GNU tar manual, "Storing Sparse Files", version 1.0.
 */
int sparse_map_read(struct buffered_source *in, int64_t size, int64_t *left,
	struct member_extent **extents, size_t *ret_count, struct err *e);

#endif
