#ifndef STORE_KEYS_HEADER_SEARCH_H
#define STORE_KEYS_HEADER_SEARCH_H

#include "store/keys/seal.h"

/*
 * Finds the encrypted headers of a pack behind damage, where neither the place nor the ordinal of
 * the next record is known.  Every header begins with the same eight bytes, so how each ordinal's
 * begins on disk can be told beforehand; a place is then looked up among all of them at once.  A
 * stranger's eight bytes are one of 2^20 by chance once in 2^44: who finds one still authenticates
 * the header.
 */
struct header_search;

/* As many records as fit into 96 MiB; a pack has 64 MiB.  32 MiB of memory. */
enum { HEADER_SEARCH_MAX = 1 << 20 };

/* Of the ${count} (0..HEADER_SEARCH_MAX) ordinals from ${first} on. */
struct header_search *header_search_new(struct seal *s, uint32_t first, size_t count);
void header_search_free_at(struct header_search **b);

/* Whether the SEAL_BEACON bytes begin a header, and of which ordinal. */
bool header_search_find(
	const struct header_search *b, const unsigned char *bytes, uint32_t *ret_ordinal);

#endif
