#ifndef STORE_CATALOGUE_CHUNKS_H
#define STORE_CATALOGUE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalogue/catalogue.h"
#include "store/format/recipe.h"
#include "store/format/record.h"

/* A chunk's row in the catalogue, and where its record stands. */
struct chunk {
	unsigned char id[RECORD_ID_SIZE];
	uint64_t number;
	int64_t pack;	/* row of the pack */
	int64_t offset; /* of the record's header; the frame is RECORD_SIZE behind */
	uint32_t ordinal;
	uint32_t plain_len;
	uint32_t stored_len;
	bool bad;
};

/**
 * chunks_find(c, id, plain_len, ret_number, e):
 * The number of a good chunk with that id.  Returns 1, 0 if there is none, -1 on error.
 */
int chunks_find(struct connection *c, const unsigned char id[RECORD_ID_SIZE], size_t plain_len,
	uint64_t *ret_number, struct err *e);

/**
 * chunks_find_bad(c, id, plain_len, ret_row, e):
 * The row of a bad chunk with that id.  Returns 1, 0 if there is none, -1.
 */
int chunks_find_bad(struct connection *c, const unsigned char id[RECORD_ID_SIZE], size_t plain_len,
	struct chunk *ret_row, struct err *e);

/**
 * chunks_heal(w, chunk, e):
 * If the row of its number is bad, and of the same id and lengths, it is good from now on and has
 * the place of ${chunk}; in the caller's transaction, which then calls damage_settle.  Returns 1,
 * 0 if it is not so, -1.
 */
int chunks_heal(struct connection *w, const struct chunk *chunk, struct err *e);

/* Up to ${max} whole rows from number ${from} on, in order. */
int chunks_from(struct connection *c, uint64_t from, struct chunk *rows, size_t max,
	size_t *ret_count, struct err *e);

/**
 * chunks_range(c, first, count, rows, e):
 * The ${count} rows from number ${first} on.  ERR_CORRUPT if one is missing.
 */
int chunks_range(
	struct connection *c, uint64_t first, size_t count, struct chunk *rows, struct err *e);

/**
 * chunks_of_pack(c, run, pack, rows, max, ret_count, e):
 * Up to ${max} rows of ${pack} whose numbers are in ${run}, in order.
 */
int chunks_of_pack(struct connection *c, const struct recipe_run *run, int64_t pack,
	struct chunk *rows, size_t max, size_t *ret_count, struct err *e);

/**
 * chunks_scan(c, from, rows, max, ret_count, e):
 * Up to ${max} rows from number ${from} on, in order; of each its number, pack, stored_len and bad.
 */
int chunks_scan(struct connection *c, uint64_t from, struct chunk *rows, size_t max,
	size_t *ret_count, struct err *e);

/* 1 if each of the ${count} numbers from ${first} on has a row and is good, 0 if not, -1. */
int chunks_good(struct connection *c, uint64_t first, uint64_t count, struct err *e);

/* Add a row, or its entry by id, in the caller's transaction. */
int chunks_add(struct connection *w, const struct chunk *chunk, struct err *e);
int chunks_add_index(struct connection *w, const struct chunk *chunk, struct err *e);

/*
 * Remove a row in the caller's transaction; it must stand in its pack.  Its entry by id leads
 * nowhere then and is left to cache_prune: entries of one pack are scattered over all of the index.
 */
int chunks_drop(struct connection *w, const struct chunk *chunk, struct err *e);

/* The first bytes of an id as it is indexed. */
int64_t chunks_prefix(const unsigned char id[RECORD_ID_SIZE]);

#endif
