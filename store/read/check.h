#ifndef STORE_READ_CHECK_H
#define STORE_READ_CHECK_H

#include "store/packs/pack_readers.h"

/* Reads chunks back and settles in the catalogue what it finds.  One thread at a time. */
struct check {
	struct store *store;
	struct pack_readers files;
	struct codec *codec;
	unsigned char *record;
	int64_t mended;	 /* chunks that were marked bad and are whole */
	int64_t backups; /* that were marked damaged */
};

enum checked {
	CHECK_FAILED = -1, /* the catalogue could not be read or written */
	CHECK_WHOLE,
	CHECK_DAMAGED, /* it is not what was stored, and is marked; ${e} says why */
	CHECK_UNREAD,  /* the file could not be read; nothing is marked */
	CHECK_GONE,    /* nothing needs it any more: a sweep removed its row */
};

void check_init(struct check *k, struct store *s);
void check_close(struct check *k);

/**
 * check_chunk(k, row, ret_plain, e):
 * Read the chunk of ${row} back: header, frame, SHA-256.  A sweep or a session may have moved it
 * since the row was read: then the new place counts.  ${ret_plain}: its ${row->plain_len} bytes if
 * it is whole, borrowed until the next call.
 */
enum checked check_chunk(
	struct check *k, const struct chunk *row, const void **ret_plain, struct err *e);

#endif
