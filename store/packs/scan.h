#ifndef STORE_PACKS_SCAN_H
#define STORE_PACKS_SCAN_H

#include "store/packs/codec.h"
#include "store/packs/packs.h"

/* Reading a pack's records one after the other, trusting nothing. */
struct scan {
	const struct io *io;
	int fd;
	unsigned char uuid[RECORD_UUID_SIZE];
	struct codec *codec;
	struct seal *seal;    /* the pack's; NULL in a plain store */
	unsigned char *frame; /* FRAME_MAX bytes */
	int64_t at;	      /* the next record */
	uint32_t ordinal;     /* the least that it may have; of an encrypted one the only */
};

/**
 * scan_next(s, ret_record, ret_offset, e):
 * The next record, its frame decrypted and verified (and for a chunk or a deletion the id too).
 * Returns 1; 0 if what follows is no valid record (s->at stays before it); -1 if reading fails.
 */
int scan_next(struct scan *s, struct record *ret_record, int64_t *ret_offset, struct err *e);

#endif
