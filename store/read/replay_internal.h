#ifndef STORE_READ_REPLAY_INTERNAL_H
#define STORE_READ_REPLAY_INTERNAL_H

#include "store/catalogue/chunks.h"
#include "store/catalogue/state.h"
#include "store/catalogue/totals.h"
#include "store/packs/codec.h"
#include "store/packs/pack_readers.h"
#include "store/read/read_ahead.h"
#include "store/read/replay.h"
#include "store/read/row_window.h"

/* What replay.c and replay_plain.c share; nobody else includes it. */

struct replay {
	struct store *store;
	struct lease lease;
	struct recipe recipe;
	struct totals totals;
	struct row_window window;
	struct pack_readers files;

	unsigned char *record; /* header and frame of the chunk ${record_index} */
	uint64_t record_index; /* UINT64_MAX: none */

	uint64_t at_index; /* a chunk and its offset in the download: where the last call ended */
	int64_t at_offset;

	struct codec *codec;	    /* for the plain bytes; NULL until asked for */
	const unsigned char *plain; /* of some chunks before ${plain_index} */
	size_t plain_len, plain_used;
	uint64_t plain_index;
	int64_t plain_start; /* of the chunk ${plain_index}, in the plain bytes */
	size_t plain_skip;   /* bytes of it that are not wanted */

	struct read_ahead *ahead;      /* NULL until reading is steady */
	bool alone;		       /* there are no threads to be had */
	size_t steady;		       /* pieces since the last seek */
	uint64_t ahead_from, ahead_to; /* the chunks inside of it */
};

/* Header and frame of the chunk ${index} into r->record. */
const struct chunk *replay_record(struct replay *r, uint64_t index, struct err *e);

#endif
