#ifndef JOBS_COPIES_PACKS_COPY_READER_H
#define JOBS_COPIES_PACKS_COPY_READER_H

#include "jobs/copies/packs/copy_format.h"
#include "transfer/transfer.h"

/* Reading what copy_format.h describes, trusting nothing: for whoever has the destination only. */

/* The stores below the URL of ${t}: a new array of {store, host, made, encrypted}.  What has no
 * file `format` that can be read is left out.  ERR_UNSUPPORTED: it is of a newer version. */
int copy_stores_list(struct transfer *t, json_t **ret_array, struct err *e);

/* The heads of a store, newest first: a new array of {name, backup, created_ns}. */
int copy_heads_list(struct transfer *t, const char *store, json_t **ret_array, struct err *e);

/* The object ${name} below the store, as it stands there; at most COPY_OBJECT_MAX bytes. */
int copy_object_get(
	struct transfer *t, const char *store, const char *name, struct buf *to, struct err *e);

/* A head, opened and checked: it is of this store and this name.  A new object.  ${c}: NULL of a
 * plain store.  ERR_CORRUPT, ERR_DENIED, ERR_UNSUPPORTED. */
int copy_head_get(struct transfer *t, const char *store, const char *name, const struct cipher *c,
	json_t **ret_head, struct err *e);

/* What an index, which a head names with its SHA-256, says of each pack. */
int copy_index_get(struct transfer *t, const char *store, const char *name, const char *sha256,
	const struct cipher *c, copy_index_each *each, void *ctx, struct err *e);

/* Open with ${secret}: one of the files `keys` that are there.  ${preferred}: the HASH that a head
 * names, or NULL.  ${to}: the file's bytes.  ERR_DENIED: none is opened. */
struct secret;
int copy_keys_get(struct transfer *t, const char *store, const char *preferred,
	const struct secret *secret, struct buf *to, struct cipher **ret_cipher, struct err *e);

#endif
