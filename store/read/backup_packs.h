#ifndef STORE_READ_BACKUP_PACKS_H
#define STORE_READ_BACKUP_PACKS_H

#include <jansson.h>

#include "store/catalogue/catalogue.h"
#include "store/catalogue/pins.h"
#include "store/packs/pack_verify.h"
#include "store/packs/packs.h"
#include "store/read/replay.h"

/* In which packs a backup stands, at this moment: a sweep moves chunks from one to another. */
struct backup_pack {
	int64_t row;
	unsigned char uuid[RECORD_UUID_SIZE];
	enum pack_state state;
	int64_t bytes;
	uint64_t chunks; /* that the backup needs; of one that it names often only one */
};

struct backup_packs {
	struct backup_pack *packs; /* in the order in which the backup needs them first */
	size_t count;
	size_t recipe_at; /* the one that has its recipe */
	int64_t recipe_offset;
	struct pins chunks; /* that it needs */
	json_t *record;	    /* as it stands in the pack */
	int64_t created_ns;
};

/**
 * backup_packs_find(s, id, recipe, ret_packs, e):
 * Of the backup ${id}, whose recipe ${recipe} a lease holds (replay.h).  ERR_CORRUPT: a chunk that
 * it needs is damaged or lost.  The caller's, to backup_packs_free in any case.
 */
int backup_packs_find(struct store *s, const char *id, const struct recipe *recipe,
	struct backup_packs *ret_packs, struct err *e);
void backup_packs_free(struct backup_packs *b);

/**
 * backup_packs_read(s, b, at, fd, each, ctx, hash, e):
 * pack_verify of the ${at}-th, open as ${fd}; and all that the backup needs of it must be good.
 * ERR_CORRUPT: it is not; ERR_CHANGED: it has moved to another pack.
 */
int backup_packs_read(struct store *s, const struct backup_packs *b, size_t at, int fd,
	pack_verify_record *each, void *ctx, unsigned char hash[PACK_HASH], struct err *e);

#endif
