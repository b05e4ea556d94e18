#ifndef JOBS_IMPORT_PATH_SET_H
#define JOBS_IMPORT_PATH_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The paths of a tree that have passed, as 63 bits of their XXH3 (xxhash.com) under a random seed:
 * 16 to 32 bytes of memory for each.  A path that was not there is taken for one that was with a
 * probability of count / 2^63, and then a restore finds out; the seed keeps that from being
 * arranged.
 */
enum path_set_kind { PATH_SET_NOT, PATH_SET_FOLDER, PATH_SET_FILE };

enum { PATH_SET_MAX = 16 * 1024 * 1024 }; /* paths: 256 MiB */

struct path_set {
	uint64_t *slots; /* open addressing, at most half full; 0: free; lowest bit: a folder */
	size_t room;	 /* a power of two */
	size_t count;
	uint64_t seed;
};

void path_set_clear(struct path_set *s); /* usable as SCOPED; an empty one is all zero */
int path_set_add(
	struct path_set *s, const char *path, size_t len, enum path_set_kind kind, struct err *e);
enum path_set_kind path_set_find(const struct path_set *s, const char *path, size_t len);

#endif
