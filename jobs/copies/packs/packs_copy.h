#ifndef JOBS_COPIES_PACKS_PACKS_COPY_H
#define JOBS_COPIES_PACKS_PACKS_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/open/store.h"
#include "transfer/transfer.h"

/*
 * A copy of a store at a destination, backup by backup (copy_format.h says what stands there).
 *
 * 1. The head of a backup is put last, after everything that it names was put and confirmed.  So
 *    whatever is cut off, and wherever: each head that is there can be restored.
 * 2. Nothing is overwritten and nothing deleted.  What an earlier run left is used.
 * 3. One store writes to one prefix.  An index there that this store did not put is that of a clone
 *    of it, or this store was put back to an earlier state: ERR_CONFLICT, and nothing is put.
 * 4. A damaged pack is not sent: every record that the backup needs is verified first.
 * 5. A destination that somebody emptied is filled again.
 * 6. Bounded in memory: one pack's verification, and one index of at most some MiB.
 */
struct packs_copy_options {
	const char *destination;   /* its name, [a-z0-9-] */
	const char *url;	   /* with another one everything is put again */
	const char *host;	   /* for those who look at what is there */
	bool plain;		   /* a store that is not encrypted may go there */
	struct transfer *transfer; /* borrowed; its URL is the folder of the copies */
	/* True while something is frozen: nothing is read or sent then.  Or NULL. */
	bool (*pause)(void *ctx);
	/* True gives it up (ERR_CANCELLED).  Or NULL. */
	bool (*cancelled)(void *ctx);
	/* So many bytes of all that are to be put.  Or NULL. */
	void (*progress)(void *ctx, int64_t done, int64_t total);
	void *ctx;
};

struct packs_copy_totals {
	int64_t packs; /* put by this run */
	int64_t bytes;
	bool present;	/* the head was there already */
	bool again;	/* somebody had emptied the destination */
	char head[128]; /* its name there, below the URL */
};

/**
 * packs_copy_put(s, backup, options, ret_totals, e):
 * Put the backup there.  ERR_NOT_FOUND, ERR_CONFLICT (3, or it is not complete), ERR_CORRUPT (4),
 * ERR_FORBIDDEN (it would be in clear), ERR_BUSY (another backup writes to a pack that is needed,
 * for ten minutes), ERR_CANCELLED, and those of transfer.h.  To be called again after any of them.
 */
int packs_copy_put(struct store *s, const char *backup, const struct packs_copy_options *options,
	struct packs_copy_totals *ret_totals, struct err *e);

#endif
