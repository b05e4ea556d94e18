#ifndef ARCHIVE_RESTORE_WRITEBACK_H
#define ARCHIVE_RESTORE_WRITEBACK_H

#include <stdint.h>

/*
 * Many small files on their way to the disk while others are written: a thread of its own has their
 * file system write what it holds, each time that this is some.  A hint: what could not be written
 * is told by the syncfs in the end, whose descriptor was open before (extract_sync).
 *
 *	writeback_wrote… ─> writeback_free
 */
struct writeback;

struct writeback *writeback_new(void);

/* Waits for what it has begun. */
void writeback_free(struct writeback *f);

/* ${bytes} more are in the file ${fd}.  For one thread. */
void writeback_wrote(struct writeback *f, int fd, int64_t bytes);

#endif
