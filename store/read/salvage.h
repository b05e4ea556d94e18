#ifndef STORE_READ_SALVAGE_H
#define STORE_READ_SALVAGE_H

#include <stdint.h>

#include "base/err.h"
#include "base/stream.h"

struct store;

/*
 * Reading a damaged backup: its plain bytes as far as they are whole, and bytes of 0xFF, which no
 * tar header is made of, in place of each chunk that is not.  Such a chunk is marked (damage.h).
 * Holds a lease.  One thread at a time.
 */
struct salvage;

/* A chunk that is not whole: its plain bytes would be [from, to). */
struct salvage_hole {
	int64_t from, to;
	uint64_t number;
};

/* As replay_open. */
int salvage_open(struct store *s, const char *id, struct salvage **ret_salvage, struct err *e);
void salvage_close_at(struct salvage **v);

/* The bytes from the present place on.  Borrowed. */
struct source salvage_source(struct salvage *v);

/* Where in the plain bytes the next one of the source stands. */
int64_t salvage_at(const struct salvage *v);

/* The holes met so far, ascending; borrowed until the next call of anything. */
const struct salvage_hole *salvage_holes(const struct salvage *v, size_t *ret_count);

/**
 * salvage_skip(v, ret_data, ret_len, e):
 * Go to the beginning of the next whole chunk; its bytes, borrowed until the next call.  Returns 1,
 * 0 at the end, -1.
 */
int salvage_skip(struct salvage *v, const void **ret_data, size_t *ret_len, struct err *e);

#endif
