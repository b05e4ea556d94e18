#ifndef STORE_PACKS_PACK_READERS_H
#define STORE_PACKS_PACK_READERS_H

#include <stdint.h>

#include "store/catalogue/chunks.h"
#include "store/catalogue/state.h"
#include "store/keys/seal.h"
#include "store/packs/codec.h"

/*
 * Packs' files that are kept open for reading; a backup of an old volume alternates between a few.
 * One thread at a time.
 */
enum { PACKFILES = 8 };

struct packfile {
	int64_t pack; /* row */
	unsigned char uuid[RECORD_UUID_SIZE];
	int fd; /* -1: free */
	struct seal *seal;
};

struct pack_readers {
	struct store *store;
	struct packfile files[PACKFILES];
	unsigned next; /* to be closed for another */
};

enum { PACK_READERS_RECORD_MAX = RECORD_SIZE + FRAME_MAX };

void pack_readers_init(struct pack_readers *p, struct store *s);
void pack_readers_close(struct pack_readers *p);

/**
 * pack_readers_read(p, c, to, e):
 * The record of the chunk ${c}, header and frame, decrypted, into the PACK_READERS_RECORD_MAX bytes
 * at
 * ${to}. The header must be the one the row speaks of: ERR_CORRUPT, naming pack and offset.
 */
int pack_readers_read(
	struct pack_readers *p, const struct chunk *c, unsigned char *to, struct err *e);

/* Whether the plain header, RECORD_SIZE bytes, is of ${c}'s record in the pack ${uuid}:
 * ERR_CORRUPT. */
int pack_readers_check(const unsigned char *header, const struct chunk *c,
	const unsigned char uuid[RECORD_UUID_SIZE], struct err *e);

/* Put "pack … at …: " with where the chunk ${c} stands in front of the error; -1. */
int pack_readers_blame(struct pack_readers *p, const struct chunk *c, struct err *e);

#endif
