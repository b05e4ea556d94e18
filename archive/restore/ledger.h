#ifndef ARCHIVE_LEDGER_H
#define ARCHIVE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is known of each member of one tree of an archive, in the archive's order, found by its
 * path.  Paths are kept as 128 bits of their SHA-256, so that a million members take 72 MiB.
 */
enum {
	LEDGER_DIR = 1,	       /* a folder in the archive */
	LEDGER_MARK = 2,       /* no entry, but the mark that its folder is opaque */
	LEDGER_EQUAL = 4,      /* the tree has the same; a folder: has a folder there */
	LEDGER_DRESS = 8,      /* a folder that stays and is to get the archive's attributes */
	LEDGER_STAYS = 16,     /* equal, and so are all folders above (ledger_settle) */
	LEDGER_SEEN = 32,      /* met by the last survey */
	LEDGER_AGAIN = 64,     /* may have changed since it was compared */
	LEDGER_STAGED = 128,   /* what is to take its place is ready */
	LEDGER_OPAQUE = 256,   /* a folder that is opaque in the archive, */
	LEDGER_VEILED = 512,   /* in the tree */
	LEDGER_HELD = 1024,    /* the tree's own stays whatever the archive has */
	LEDGER_CHANGED = 2048, /* told: changed */
	LEDGER_ADDED = 4096,   /* told: added */
	LEDGER_LOST = 8192,    /* stayed when staging began, and does no more */
	LEDGER_ABOVE = 32768, /* a folder that is not asked for, above one that is: keeps its own */
	LEDGER_NOTED = 16384, /* as a folder that stays, or, with LEDGER_STAGED, as an entry */
	LEDGER_LINKED = 65536,	/* hard links of the archive link to it */
	LEDGER_DELTA = 131072,	/* what is to be written into it in place is beside it */
	LEDGER_PLACED = 524288, /* that is noted */
	LEDGER_WHOLE = 262144	/* that is not worth it */
};

enum { LEDGER_NONE = UINT32_MAX, LEDGER_MAX = 1 << 28 };

struct ledger_entry {
	unsigned char key[16];
	int64_t at;	 /* where its member begins in the archive */
	uint64_t inode;	 /* that was compared: a folder's rename moves no time of what is below */
	uint32_t parent; /* number of its folder; of the root and of what has none: LEDGER_NONE */
	uint32_t link;	 /* of a hard link: number of what it links to, else LEDGER_NONE */
	uint32_t flags;
};

struct ledger {
	struct ledger_entry *entries;
	uint32_t count, room;
	uint32_t *slots; /* open addressing; number + 1, 0 for a free one */
	uint32_t slot_count;
};

void ledger_free(struct ledger *l);

/* The number of ${path} (relative to the tree's root, "" for that), or LEDGER_NONE. */
uint32_t ledger_find(const struct ledger *l, const char *path, size_t len);

/* The same, added where it is missing: its flags are 0 then.  At most LEDGER_MAX: else NONE. */
uint32_t ledger_put(struct ledger *l, const char *path);

/**
 * ledger_settle(l):
 * After comparing or surveying: what stays, which folders get attributes.  A hard link stays only
 * with what it links to, a folder only if it is as opaque as in the archive, and what lies below a
 * folder only with that.
 */
void ledger_settle(struct ledger *l);

#endif
