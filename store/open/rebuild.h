#ifndef STORE_OPEN_REBUILD_H
#define STORE_OPEN_REBUILD_H

#include <stdint.h>

#include "base/err.h"
#include "store/open/store.h"

/*
 * Makes a catalogue from the packs alone: for a store whose catalogue is lost or broken, or older
 * than its packs.
 *
 * 1. The new catalogue is a file of its own until it is whole, checkpointed and synced; then it
 *    takes the old one's place by one rename, and the old one stays as `catalogue.db.old`.  Cut off
 *    at any moment, there is the old or the new one, and it can be done again.
 * 2. Every record is verified.  What is damaged costs that record only: reading goes on at the next
 *    valid header.  A damaged chunk's row says so; a backup that needs it, or one of which nothing
 *    is found, is listed as damaged.
 * 3. A backup that has a tombstone is not listed (tombstones.h).  One that was deleted and not
 * swept since has none yet: it is listed again, whole.  So is one whose end was cut off between its
 *    record and its commit.
 * 4. Of a chunk or recipe that stands in two packs (a sweep that was cut off) the younger pack's is
 *    taken.
 *
 * Failed backups, operations and caches are not in the packs.  The store gets another name where
 * its copies are (copied/_store.json goes): numbers of chunks that were lost may be given again.
 */
struct rebuild_totals {
	int64_t packs;
	int64_t chunks;
	int64_t backups;	 /* listed */
	int64_t backups_damaged; /* of these */
	int64_t deletions;	 /* tombstones */
	int64_t records_damaged; /* places where no valid record stood */
	int64_t numbers_twice;	 /* chunks whose number another chunk has: packs of two stores */
};

/* Which backups are to be listed, whatever tombstones say; the others are as good as deleted.  For
 * packs that came from a copy, which says itself what belongs there. */
struct rebuild_choice {
	bool (*wanted)(void *ctx, const char *id, int64_t created_ns);
	void *ctx;
};

/* Holds the store's lock meanwhile: ERR_BUSY.  ${options} may be NULL. */
int rebuild_run_chosen(const char *path, const struct store_options *options,
	const struct rebuild_choice *choice, struct rebuild_totals *ret_totals, struct err *e);

/* The same without a choice. */
int rebuild_run(const char *path, const struct store_options *options,
	struct rebuild_totals *ret_totals, struct err *e);

#endif
