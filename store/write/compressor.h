#ifndef STORE_WRITE_COMPRESSOR_H
#define STORE_WRITE_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Threads that compress and verify chunks, between one thread that puts chunks in and one that
 * takes frames out, in the order of the chunks.  Holds up to COMPRESSOR_BYTES of chunks, and a
 * codec's memory (3.5 MiB) for each worker.
 *
 *	compressor_put -> (workers) -> compressor_take, compressor_release
 */
struct compressor;

/*
 * A worker for each core; beyond four, cutting and hashing (1140 MB/s) are the limit.  The bytes
 * bridge what the thread that takes waits for between two packs (syncs and commits), as far as a
 * backup's 64 MiB in all allow; chunks as small as pages fill half of them.
 */
enum { COMPRESSOR_WORKERS = 4, COMPRESSOR_BYTES = 16 << 20, COMPRESSOR_CHUNKS = 1024 };

struct compressor *compressor_new(void);    /* the threads start with the first chunk */
void compressor_free(struct compressor *c); /* nobody may be inside; frames not taken are dropped */

/**
 * compressor_put(c, data, len, e):
 * Hand over one chunk of up to CHUNK_MAX bytes; they are copied.  Waits for room.
 */
int compressor_put(struct compressor *c, const void *data, size_t len, struct err *e);

/**
 * compressor_take(c, ret_frame, ret_len, e), compressor_release(c):
 * Wait for the oldest chunk's frame, borrowed until it is released.  Returns 1, 0 once the
 * compressor is stopped, -1 after an error of codec_compress; that chunk is to be released too.
 */
int compressor_take(struct compressor *c, const void **ret_frame, size_t *ret_len, struct err *e);
void compressor_release(struct compressor *c);

/* Wait until all that was put has been released. */
void compressor_drain(struct compressor *c);

/* From now on nothing is taken. */
void compressor_stop(struct compressor *c);

#endif
