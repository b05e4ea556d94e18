#ifndef STORE_WRITE_CHUNK_MATCH_H
#define STORE_WRITE_CHUNK_MATCH_H

#include "store/format/recipe.h"
#include "store/read/read_ahead.h"

/* A file beside the chunks that an earlier version of it was stored as. */
struct chunk_match {
	struct catalogue *catalogue;
	const struct recipe *recipe;
	int fd;
	int64_t size; /* bytes */
	/* A chunk's place in the file, in order: its bytes, and whether they are the chunk's.
	 * Return -1 with ${e} filled to stop. */
	int (*tell)(void *ctx, const struct chunk *c, bool same, const void *data, struct err *e);
	void *ctx;
};

/**
 * chunk_match_file(a, m, e):
 * Hash the file at the places of the chunks, in the threads of ${a}, which must be empty and then
 * is.  Returns how many bytes were told, from the first on: all chunks but the last, which ended
 * where the file did, that end before it does now, up to one that has no row any more or that
 * cannot be read; -1 if ${m->tell} stopped it.
 */
int64_t chunk_match_file(struct read_ahead *a, const struct chunk_match *m, struct err *e);

#endif
