#ifndef JOBS_SEEN_H
#define JOBS_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The paths of a tree that have passed, as 63 bits of their XXH3 (xxhash.com) under a random seed:
 * 16 to 32 bytes of memory for each.  A path that was not there is taken for one that was with a
 * probability of count / 2^63, and then a restore finds out; the seed keeps that from being
 * arranged.
 */
enum seen_kind { SEEN_NOT, SEEN_FOLDER, SEEN_FILE };

enum { SEEN_MAX = 16 * 1024 * 1024 }; /* paths: 256 MiB */

struct seen {
	uint64_t *slots; /* open addressing, at most half full; 0: free; lowest bit: a folder */
	size_t room;	 /* a power of two */
	size_t count;
	uint64_t seed;
};

void seen_clear(struct seen *s); /* usable as SCOPED; an empty one is all zero */
int seen_add(struct seen *s, const char *path, size_t len, enum seen_kind kind, struct err *e);
enum seen_kind seen_find(const struct seen *s, const char *path, size_t len);

#endif
