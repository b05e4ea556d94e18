#ifndef STORE_GC_RELOCATION_H
#define STORE_GC_RELOCATION_H

#include "store/catalogue/chunks.h"
#include "store/packs/codec.h"
#include "store/packs/packs.h"
#include "store/packs/payload.h"

/*
 * Carries records into another pack, for a sweep.  It writes as a session does: to the idle pack or
 * a new one, which nobody else writes to meanwhile, and what is appended counts for nothing before
 * relocation_commit.  One thread.
 */
struct relocation {
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
enum { RELOCATION_MOVED = 4096 };

struct moved {
	uint64_t number;
	int64_t from; /* pack */
	int64_t pack;
	int64_t offset;
	uint32_t ordinal;
};

void relocation_init(struct relocation *c, struct store *s);
void relocation_close(
	struct relocation *c); /* leaves the pack to the next session; also if all zero */

/* What relocation_chunk found. */
enum carried {
	CARRIED,
	CARRY_DAMAGED, /* the record is not what was stored: ERR_CORRUPT in ${e} */
	CARRY_UNREAD,  /* it could not be read: ERR_IO */
	CARRY_FAILED   /* writing failed */
};

/**
 * relocation_chunk(c, fd, uuid, row, e):
 * Read the record of ${row} from its pack (${fd}, ${uuid}), verify header, frame and SHA-256, and
 * append it.  At most RELOCATION_MOVED before relocation_flush.
 */
enum carried relocation_chunk(struct relocation *c, int fd,
	const unsigned char uuid[RECORD_UUID_SIZE], const struct chunk *row, struct err *e);

/**
 * relocation_room(c, size, e):
 * See to it that ${size} bytes find room in the present pack, or flush it and go on in another.
 */
int relocation_room(struct relocation *c, int64_t size, struct err *e);

/**
 * relocation_backup(c, payload, ret_offset, e), relocation_deletion(c, backup, e):
 * Append the record of a backup, or the tombstone of one, to the present pack.  Neither may become
 * durable without the rows that go along: relocation_room first, then nothing but these and the
 * commit.
 */
int relocation_backup(
	struct relocation *c, const struct payload *payload, int64_t *ret_offset, struct err *e);
int relocation_deletion(struct relocation *c, const char *backup, struct err *e);

/**
 * relocation_begin(c, e), relocation_commit(c, w, e):
 * Make durable what was appended; then begin the transaction, with the chunks' rows and the pack's
 * length in it.  Commit ends it either way.  An error anywhere poisons the pack (relocation_fail).
 */
struct connection *relocation_begin(struct relocation *c, struct err *e);
int relocation_commit(struct relocation *c, struct connection *w, struct err *e);

/* Both, with nothing else in the transaction. */
int relocation_flush(struct relocation *c, struct err *e);

/* Give up what was not committed, and the pack with it; returns -1.  Outside of a transaction. */
int relocation_fail(struct relocation *c);

/* Give up the chunks whose rows were not moved; their copies are dead bytes. */
void relocation_drop(struct relocation *c);

#endif
