#ifndef STORE_READ_READ_AHEAD_H
#define STORE_READ_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/catalogue/chunks.h"
#include "store/catalogue/state.h"
#include "store/read/row_window.h"

/*
 * Threads that read, decompress and verify chunks before they are asked for, so that the caller
 * meanwhile compares or writes the ones before.  Chunks go in and come out in batches, in order.
 * Belongs to one thread, whose lease keeps the chunks where they are.
 */
struct read_ahead;

/*
 * A worker for each core: the caller, who writes files, mostly waits for the kernel.  Beyond four
 * the caller is the limit.  A batch for each worker, one that waits for it, and the one that the
 * caller has: at most 9 MiB, and 2.2 MiB for each worker.
 * A batch of at least 256 KiB, for waking a thread costs as much as a page of 16 KiB; of what is
 * written to a file as much as it can hold, for two threads wait for each other in one file.
 */
enum {
	READ_AHEAD_WORKERS = 4,
	READ_AHEAD_SLOTS = 2 * READ_AHEAD_WORKERS + 1,
	READ_AHEAD_BATCH = 256 * 1024,
	READ_AHEAD_ROWS = 64
};

/* NULL if there are no threads to be had. */
struct read_ahead *read_ahead_new(struct store *s);
void read_ahead_free(struct read_ahead *a); /* NULL will do; what is inside is dropped */

/* How many batches may be inside, and are. */
size_t read_ahead_room(const struct read_ahead *a);
size_t read_ahead_count(const struct read_ahead *a);

/* Hand over ${count} rows (1 to READ_AHEAD_ROWS, together at most CHUNK_MAX plain bytes), which are
 * copied.  There must be room. */
void read_ahead_put(struct read_ahead *a, const struct chunk *rows, size_t count);

/*
 * What is done with a file, which stays open until the batch is taken or dropped.  COMPARE: the
 * chunks' plain bytes are looked for in it, not in the store: a chunk that does not stand there is
 * not whole (ERR_CONFLICT).  LOOK: the bytes of the file are given out instead, with
 * read_ahead_same; a chunk is not whole only where the file has not so many.  WRITE: they are
 * written there.
 */
enum read_ahead_use { READ_AHEAD_READ, READ_AHEAD_COMPARE, READ_AHEAD_LOOK, READ_AHEAD_WRITE };

/* A recipe's chunks on their way to a file, or beside it. */
struct read_ahead_file {
	enum read_ahead_use use;
	int fd;
	int64_t shift; /* from a plain byte's place to its place in the file */
	int64_t end;   /* plain bytes that are not wanted any more */
	uint64_t put;  /* chunks: they were handed over up to here, */
	int64_t at;    /* and plain bytes */
};

/* Hand over one more batch.  There must be room.  Returns 1, 0: there is none, -1 (row_window_row).
 */
int read_ahead_put_file(
	struct read_ahead *a, struct row_window *w, struct read_ahead_file *f, struct err *e);

/**
 * read_ahead_take(a, ret_plain, ret_len, e):
 * Wait for the oldest batch.  Returns the number of its chunks that are whole, up to the first that
 * is not, with their ${ret_len} plain bytes, borrowed until the next call; -1 if the very next one
 * could not be had, with the error of chunk_load (chunk_load.h).  After fewer than were put, and
 * after an error, nothing is inside any more.
 */
ssize_t read_ahead_take(
	struct read_ahead *a, const unsigned char **ret_plain, size_t *ret_len, struct err *e);

/* Of the batch that was taken last: its rows, and of LOOK whether the file has what they say. */
const struct chunk *read_ahead_rows(const struct read_ahead *a);
const bool *read_ahead_same(const struct read_ahead *a);

/* All that is inside is not wanted. */
void read_ahead_drop(struct read_ahead *a);

#endif
