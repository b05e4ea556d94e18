#ifndef ARCHIVE_WRITE_ZSTD_SOURCE_H
#define ARCHIVE_WRITE_ZSTD_SOURCE_H

#include "base/err.h"
#include "base/stream.h"

/*
 * The plain bytes of a .zst stream: frames and skippable frames one after the other, to the end of
 * the source.  A stream that ends within a frame, a damaged frame (frames with a checksum are
 * checked) and bytes that are no frame: ERR_CORRUPT.
 *
 * Memory: the window that a frame asks for, at most ZSTD_SOURCE_WINDOW (ERR_TOO_LARGE above): what
 * RFC 8878, 3.1.1.1.2, recommends every decoder to support, and what `zstd` up to level 19 stays
 * within; frames of ours have at most 1 MiB.
 */
struct zstd_source;

enum { ZSTD_SOURCE_WINDOW_LOG = 23, ZSTD_SOURCE_WINDOW = 1 << ZSTD_SOURCE_WINDOW_LOG };

struct zstd_source *zstd_source_new(struct source packed);
void zstd_source_free_at(struct zstd_source **u);

/* Borrowed from ${u}. */
struct source zstd_source(struct zstd_source *u);

#endif
