#ifndef STORE_WRITE_CACHE_PRUNE_H
#define STORE_WRITE_CACHE_PRUNE_H

#include "store/catalogue/state.h"
#include "store/read/rate_limit.h"

/**
 * cache_prune(s, pace, e):
 * Remove what speaks of chunks that are gone: rows of the caches (segments.h), which would not be
 * believed, and entries of the index by id, which lead nowhere.  Reads all of these once, some rows
 * at a time.
 */
int cache_prune(struct store *s, const struct rate_limit *pace, struct err *e);

#endif
