#ifndef ARCHIVE_TAR_PAGES_H
#define ARCHIVE_TAR_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/**
 * pages_file(path):
 * True if the file at the archive path ${path} is by its name one that is rewritten page by page:
 * SQLite, InnoDB, a PostgreSQL relation, LMDB, a disk image.  By name alone, never by content: the
 * answer is part of a segment's key, which must be known without reading, and must not change while
 * the file lives.  A wrong guess costs deduplication, never correctness.
 */
bool pages_file(const char *path);

/* Above this a page file is cut by 64 KiB instead of 16 KiB, so that the number of its chunks
 * stays bounded: 65,536 a GiB-sized file (measured choice: docs/design/design.md section 5). */
#define PAGES_16_MAX (INT64_C(1) << 30)

#endif
