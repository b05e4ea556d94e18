#ifndef ARCHIVE_WRITE_SEGMENT_RULES_H
#define ARCHIVE_WRITE_SEGMENT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/write/segments.h"

/*
 * Where an archive is cut into segments, by names, kinds and sizes alone: for a walk, which knows
 * them from stat data (segments.c), and for a tar stream that is cut again (resegment.c).  Both
 * must find the same segments, so that what is imported is what is stored already.
 */

enum {
	SEGMENT_RULES_RUN_MIN = 16 * 1024,  /* no cut before; docs/design/design.md section 5 */
	SEGMENT_RULES_RUN_MAX = 256 * 1024, /* no run passes this (xattrs not counted) */
	SEGMENT_RULES_CONTENT_MIN =
		64 * 1024, /* files from this size on have segments of their own */
};

/**
 * segment_rules_bytes(path, link, content):
 * About what a member adds to a run: a pax header for the nanoseconds, the ustar header, long
 * names, and ${content} bytes of content.  xattrs are not counted.  ${link} may be NULL.
 */
int64_t segment_rules_bytes(const char *path, const char *link, int64_t content);

/* Whether a run of ${length} bytes ends before the member at ${path}, which would add ${bytes}. */
bool segment_rules_before(int64_t length, const char *path, int64_t bytes);

/* Of the content of the regular file at ${path}. */
enum segment_kind segment_rules_kind(const char *path, int64_t size, bool sparse);

/* ${size} with its padding. */
int64_t segment_rules_whole_blocks(int64_t size);

#endif
