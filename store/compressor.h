#ifndef STORE_COMPRESSOR_H
#define STORE_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Threads that compress and verify chunks, so that the session's own thread reads, cuts and hashes
 * meanwhile.  Frames come out in the order in which their chunks were put.  Belongs to one thread.
 * Holds up to COMPRESSOR_SLOTS MiB, and a codec's memory (3.5 MiB) for each worker.
 */
struct compressor;

/*
 * A worker for each core: the session's thread has less to do for a chunk that is new than they
 * have (1140 MB/s against 540).  Beyond four that thread is the limit.  Slots: one for each, as
 * many that wait, and one whose frame is being written; a pack's sync is bridged by the kernel.
 */
enum { COMPRESSOR_WORKERS = 4, COMPRESSOR_SLOTS = 8 };

struct compressor *compressor_new(void);    /* the threads start with the first chunk */
void compressor_free(struct compressor *c); /* frames not taken are dropped */

/* Chunks put whose frames were not taken. */
size_t compressor_count(const struct compressor *c);

/**
 * compressor_put(c, data, len, e):
 * Hand over one chunk of up to CHUNK_MAX bytes; they are copied.  Fewer than COMPRESSOR_SLOTS may
 * be inside.
 */
int compressor_put(struct compressor *c, const void *data, size_t len, struct err *e);

/**
 * compressor_take(c, ret_frame, ret_len, e):
 * Wait for the oldest chunk's frame, borrowed until the next put.  One must be inside; it is out of
 * it also after an error of codec_compress.
 */
int compressor_take(struct compressor *c, const void **ret_frame, size_t *ret_len, struct err *e);

#endif
