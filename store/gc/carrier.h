#ifndef STORE_CARRIER_H
#define STORE_CARRIER_H

#include "store/catalogue/chunks.h"
#include "store/packs/codec.h"
#include "store/packs/packs.h"
#include "store/packs/payload.h"

/*
 * Carries records into another pack, for a sweep.  It writes as a session does: to the idle pack or
 * a new one, which nobody else writes to meanwhile, and what is appended counts for nothing before
 * carrier_commit.  One thread.
 */
struct carrier {
	struct store *store;
	struct pack *pack; /* NULL until something is appended */
	struct codec *codec;
	unsigned char *record; /* RECORD_SIZE + FRAME_MAX bytes */
	struct seal *from;     /* of the pack that was read last; NULL in a plain store */
	struct moved *moved;   /* chunks whose rows are to follow */
	size_t moved_count;
	int64_t bytes; /* appended so far */
};

/* Rows that follow in one transaction: 160 KB. */
enum { CARRIER_MOVED = 4096 };

struct moved {
	uint64_t number;
	int64_t from; /* pack */
	int64_t pack;
	int64_t offset;
	uint32_t ordinal;
};

void carrier_init(struct carrier *c, struct store *s);
void carrier_close(struct carrier *c); /* leaves the pack to the next session; also if all zero */

/* What carrier_chunk found. */
enum carried {
	CARRIED,
	CARRY_DAMAGED, /* the record is not what was stored: ERR_CORRUPT in ${e} */
	CARRY_UNREAD,  /* it could not be read: ERR_IO */
	CARRY_FAILED   /* writing failed */
};

/**
 * carrier_chunk(c, fd, uuid, row, e):
 * Read the record of ${row} from its pack (${fd}, ${uuid}), verify header, frame and SHA-256, and
 * append it.  At most CARRIER_MOVED before carrier_flush.
 */
enum carried carrier_chunk(struct carrier *c, int fd, const unsigned char uuid[RECORD_UUID_SIZE],
	const struct chunk *row, struct err *e);

/**
 * carrier_room(c, size, e):
 * See to it that ${size} bytes find room in the present pack, or flush it and go on in another.
 */
int carrier_room(struct carrier *c, int64_t size, struct err *e);

/**
 * carrier_backup(c, payload, ret_offset, e), carrier_deletion(c, backup, e):
 * Append the record of a backup, or the tombstone of one, to the present pack.  Neither may become
 * durable without the rows that go along: carrier_room first, then nothing but these and the
 * commit.
 */
int carrier_backup(
	struct carrier *c, const struct payload *payload, int64_t *ret_offset, struct err *e);
int carrier_deletion(struct carrier *c, const char *backup, struct err *e);

/**
 * carrier_begin(c, e), carrier_commit(c, w, e):
 * Make durable what was appended; then begin the transaction, with the chunks' rows and the pack's
 * length in it.  Commit ends it either way.  An error anywhere poisons the pack (carrier_fail).
 */
struct connection *carrier_begin(struct carrier *c, struct err *e);
int carrier_commit(struct carrier *c, struct connection *w, struct err *e);

/* Both, with nothing else in the transaction. */
int carrier_flush(struct carrier *c, struct err *e);

/* Give up what was not committed, and the pack with it; returns -1.  Outside of a transaction. */
int carrier_fail(struct carrier *c);

/* Give up the chunks whose rows were not moved; their copies are dead bytes. */
void carrier_drop(struct carrier *c);

#endif
