#ifndef JOBS_COPIES_PACKS_COPY_REBUILD_H
#define JOBS_COPIES_PACKS_COPY_REBUILD_H

#include <jansson.h>

#include "store/open/store.h"
#include "transfer/transfer.h"

/*
 * A whole store out of a copy (copy_format.h), on a machine that has nothing else.
 *
 * 1. It is made in a folder that holds no store.  Cut off, it is gone on with: what is there and is
 *    what it should be is not fetched again.
 * 2. The heads say which backups belong there; each pack must have the length and the SHA-256 that
 *    its index tells, each record is verified, and at the end each backup must have its recipe.
 * 3. What cannot be brought back is named, backup by backup, in `faults`; the others are.
 * 4. The new store has a name of its own: its copies do not mix with those that it came from.
 */
struct copy_rebuild_request {
	struct transfer *transfer;	     /* borrowed; its URL is the folder of the copies */
	const char *store;		     /* NULL: the only one that is there */
	const char *backup;		     /* its id, "latest", or NULL: all */
	const char *path;		     /* the folder; it is made, its parent is not */
	const struct store_options *options; /* the secret of an encrypted store; may be NULL */
	/* So many bytes of all that are to be fetched.  Or NULL. */
	void (*progress)(void *ctx, int64_t done, int64_t total);
	void *ctx;
};

struct copy_rebuild_totals {
	char store[33];
	int64_t backups; /* that are whole */
	int64_t packs;	 /* fetched, not those that were there */
	int64_t bytes;
	json_t *faults; /* {backup, error}; the caller's */
};

/**
 * copy_rebuild_run(request, ret_totals, e):
 * Returns 0 if there is a store now, be it one with faults.  ERR_CONFLICT: a store is there
 * already, or several stores are copied there and none was chosen; ERR_NOT_FOUND: no such store or
 * backup there; ERR_DENIED: no or a wrong secret; and those of transfer.h.
 */
int copy_rebuild_run(const struct copy_rebuild_request *request,
	struct copy_rebuild_totals *ret_totals, struct err *e);

#endif
