#ifndef STORE_GC_TOMBSTONES_H
#define STORE_GC_TOMBSTONES_H

#include "store/gc/relocation.h"

/*
 * Deleted backups in the packs.
 *
 * A backup's recipe stands in a pack as a record, and from these a rebuild makes the list.  A
 * deletion is rows only, so that it needs no room: the backup's go, one of `deletions` comes, in
 * one transaction.  The next sweep's first step appends a tombstone for it (a record of type
 * RECORD_DELETION, which holds `ID.CREATED_NS`), and no chunk is removed before all tombstones are
 * durable.  So a rebuild finds of a deleted backup either the tombstone,
 * and does not list it; or, when nothing was swept since the deletion, every one of its chunks.
 *
 * The row says in which pack the recipe stands (its only copy: sweep.c, 5).  When that pack's file
 * is gone and the folder synced, the row goes with the pack's, and the tombstone is dead bytes.
 * Until then it is carried along like a recipe.
 */

/*
 * An id alone is not enough: a backup that was deleted may be imported again, and has then its id
 * once more, but another time (import_record.h).  Tombstones of the id alone were written before
 * there were imports, and hide every backup of that id.
 */

/* ID.CREATED_NS, as the rows have it; the caller's. */
char *tombstones_name(const char *id, size_t id_len, int64_t created_ns);

/* What a rebuild knows of a tombstone: the SHA-256 of its name, and of the id in that. */
struct tombstone {
	unsigned char name[RECORD_ID_SIZE];
	unsigned char id[RECORD_ID_SIZE];
};

struct tombstone tombstone_of(struct codec *codec, const char *name, size_t len);

/* Whether one of ${count} tombstones is that of ${p}.  Of an undated one, which was made before
 * there were imports, the id will do. */
bool tombstones_have(struct codec *codec, const struct tombstone *tombstones, size_t count,
	const struct payload *p);

/* Append the tombstones that are missing, and note where they stand. */
int tombstones_settle(struct relocation *c, struct err *e);

#endif
