#ifndef STORE_COMPRESSOR_H
#define STORE_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * A thread that compresses and verifies chunks in the order in which they are put, so that the
 * session's own thread reads, cuts and hashes meanwhile.  Belongs to one thread.  Holds
 * COMPRESSOR_SLOTS MiB, and a codec's memory.
 */
struct compressor;

/* One that is compressed, one that waits for it, one that is being written. */
enum { COMPRESSOR_SLOTS = 3 };

struct compressor *compressor_new(void);    /* the thread starts with the first chunk */
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
