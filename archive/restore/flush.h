#ifndef ARCHIVE_FLUSH_H
#define ARCHIVE_FLUSH_H

#include <stdint.h>

/*
 * Many small files on their way to the disk while others are written: a thread of its own has their
 * file system write what it holds, each time that this is some.  A hint: what could not be written
 * is told by the syncfs in the end, whose descriptor was open before (extract_sync).
 *
 *	flush_wrote… ─> flush_free
 */
struct flush;

struct flush *flush_new(void);

/* Waits for what it has begun. */
void flush_free(struct flush *f);

/* ${bytes} more are in the file ${fd}.  For one thread. */
void flush_wrote(struct flush *f, int fd, int64_t bytes);

#endif
