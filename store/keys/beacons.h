#ifndef STORE_BEACONS_H
#define STORE_BEACONS_H

#include "store/keys/seal.h"

/*
 * Finds the encrypted headers of a pack behind damage, where neither the place nor the ordinal of
 * the next record is known.  Every header begins with the same eight bytes, so how each ordinal's
 * begins on disk can be told beforehand; a place is then looked up among all of them at once.  A
 * stranger's eight bytes are one of 2^20 by chance once in 2^44: who finds one still authenticates
 * the header.
 */
struct beacons;

/* As many records as fit into 96 MiB; a pack has 64 MiB.  32 MiB of memory. */
enum { BEACONS_MAX = 1 << 20 };

/* Of the ${count} (0..BEACONS_MAX) ordinals from ${first} on. */
struct beacons *beacons_new(struct seal *s, uint32_t first, size_t count);
void beacons_free_at(struct beacons **b);

/* Whether the SEAL_BEACON bytes begin a header, and of which ordinal. */
bool beacons_find(const struct beacons *b, const unsigned char *bytes, uint32_t *ret_ordinal);

#endif
