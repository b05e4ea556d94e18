#ifndef ARCHIVE_RESTORE_MEMBER_INDEX_H
#define ARCHIVE_RESTORE_MEMBER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is known of each member of one tree of an archive, in the archive's order, found by its
 * path.  Paths are kept as 128 bits of their SHA-256, so that a million members take 72 MiB.
 */
enum {
	MEMBER_INDEX_DIR = 1,	   /* a folder in the archive */
	MEMBER_INDEX_MARK = 2,	   /* no entry, but the mark that its folder is opaque */
	MEMBER_INDEX_EQUAL = 4,	   /* the tree has the same; a folder: has a folder there */
	MEMBER_INDEX_DRESS = 8,	   /* a folder that stays and is to get the archive's attributes */
	MEMBER_INDEX_STAYS = 16,   /* equal, and so are all folders above (member_index_settle) */
	MEMBER_INDEX_SEEN = 32,	   /* met by the last survey */
	MEMBER_INDEX_AGAIN = 64,   /* may have changed since it was compared */
	MEMBER_INDEX_STAGED = 128, /* what is to take its place is ready */
	MEMBER_INDEX_OPAQUE = 256, /* a folder that is opaque in the archive, */
	MEMBER_INDEX_VEILED = 512, /* in the tree */
	MEMBER_INDEX_HELD = 1024,  /* the tree's own stays whatever the archive has */
	MEMBER_INDEX_CHANGED = 2048, /* told: changed */
	MEMBER_INDEX_ADDED = 4096,   /* told: added */
	MEMBER_INDEX_LOST = 8192,    /* stayed when staging began, and does no more */
	MEMBER_INDEX_ABOVE =
		32768, /* a folder that is not asked for, above one that is: keeps its own */
	MEMBER_INDEX_NOTED =
		16384, /* as a folder that stays, or, with MEMBER_INDEX_STAGED, as an entry */
	MEMBER_INDEX_LINKED = 65536,  /* hard links of the archive link to it */
	MEMBER_INDEX_DELTA = 131072,  /* what is to be written into it in place is beside it */
	MEMBER_INDEX_PLACED = 524288, /* that is noted */
	MEMBER_INDEX_WHOLE = 262144   /* that is not worth it */
};

enum { MEMBER_INDEX_NONE = UINT32_MAX, MEMBER_INDEX_MAX = 1 << 28 };

struct member_index_entry {
	unsigned char key[16];
	int64_t at;	 /* where its member begins in the archive */
	uint64_t inode;	 /* that was compared: a folder's rename moves no time of what is below */
	uint32_t parent; /* number of its folder; of the root and of what has none:
			    MEMBER_INDEX_NONE */
	uint32_t link;	 /* of a hard link: number of what it links to, else MEMBER_INDEX_NONE */
	uint32_t flags;
};

struct member_index {
	struct member_index_entry *entries;
	uint32_t count, room;
	uint32_t *slots; /* open addressing; number + 1, 0 for a free one */
	uint32_t slot_count;
};

void member_index_free(struct member_index *l);

/* The number of ${path} (relative to the tree's root, "" for that), or MEMBER_INDEX_NONE. */
uint32_t member_index_find(const struct member_index *l, const char *path, size_t len);

/* The same, added where it is missing: its flags are 0 then.  At most MEMBER_INDEX_MAX: else NONE.
 */
uint32_t member_index_put(struct member_index *l, const char *path);

/**
 * member_index_settle(l):
 * After comparing or surveying: what stays, which folders get attributes.  A hard link stays only
 * with what it links to, a folder only if it is as opaque as in the archive, and what lies below a
 * folder only with that.
 */
void member_index_settle(struct member_index *l);

#endif
