#ifndef JOBS_COPIES_PACKS_COPY_FETCH_H
#define JOBS_COPIES_PACKS_COPY_FETCH_H

#include "jobs/copies/packs/copy_reader.h"

/* Packs that are fetched into the folder of a store to be. */
struct copy_fetch {
	struct transfer *transfer; /* borrowed, as all of these */
	const char *store;
	int folder; /* of the new store */
	void (*progress)(void *ctx, int64_t done, int64_t total);
	void *ctx;
	int64_t done, total;  /* bytes */
	int64_t packs, bytes; /* that were fetched */
};

/**
 * copy_fetch_pack(f, pack, e):
 * The pack's file, durable, with the bytes that its index tells; one that is there already is read
 * instead.  ERR_CORRUPT, ERR_NOT_FOUND: it is not there as it was put.
 */
int copy_fetch_pack(struct copy_fetch *f, const struct copy_index_entry *pack, struct err *e);

/* A small file of the new store, durable. */
int copy_fetch_write(
	struct copy_fetch *f, const char *name, const void *data, size_t len, struct err *e);

#endif
