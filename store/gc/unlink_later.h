#ifndef STORE_GC_UNLINK_LATER_H
#define STORE_GC_UNLINK_LATER_H

#include "store/catalogue/state.h"
#include "store/packs/packs.h"

/*
 * Packs in which nothing is needed any more, on their way out.  Once its row is `doomed` no row of
 * a chunk or recipe leads to a pack, and none ever will; but a download that began before may have
 * read such a row.  So the file goes when all leases of that time are given back, then its row,
 * after the folder is synced: a file without a row would be taken for a stranger.
 */
struct unlink_later {
	int64_t pack; /* row */
	unsigned char uuid[RECORD_UUID_SIZE];
	int64_t bytes;
	uint64_t turn; /* leases up to this one may lead to it */
};

/* The store's present turn: to be taken after the row became `doomed`. */
uint64_t unlink_later_turn(struct store *s);

/* Whether a lease that is not younger than ${turn} is still held. */
bool unlink_later_awaited(struct store *s, uint64_t turn);

/* Wait up to 200 ms for a lease to be given back. */
void unlink_later_wait(struct store *s);

/* Remove the file (which may be gone already), sync, remove the row.  To be done again if it fails.
 */
int unlink_later_remove(
	struct store *s, int64_t pack, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e);

#endif
