#ifndef STORE_CATALOGUE_TOTALS_H
#define STORE_CATALOGUE_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "store/catalogue/catalogue.h"
#include "store/format/recipe.h"

/*
 * The sums over a recipe's chunks, and marks: the sums of all chunks before every MARK_CHUNKS-th.
 * A reader that wants a position anywhere adds up at most MARK_CHUNKS rows from the mark before it;
 * marks are 16 bytes per 1024 chunks, 110 KiB for a terabyte.
 */
enum { MARK_CHUNKS = 1024 };

struct mark {
	uint64_t plain, stored; /* little-endian in the catalogue */
};

struct totals {
	uint64_t chunks;
	int64_t plain_bytes;
	int64_t stored_bytes; /* of the frames alone */
	struct mark *marks;
	size_t marks_count;
	char digest[SHA256_HEX_SIZE]; /* of the encoded recipe */
};

/* ERR_CORRUPT if a chunk has no row or is bad. */
int totals_count(struct connection *c, const struct recipe *recipe, struct totals *ret_totals,
	struct err *e);
void totals_free(struct totals *t);

#endif
