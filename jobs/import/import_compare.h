#ifndef JOBS_IMPORT_IMPORT_COMPARE_H
#define JOBS_IMPORT_IMPORT_COMPARE_H

#include <stddef.h>

#include "base/err.h"
#include "store/open/store.h"

/*
 * An archive that comes in, compared with the backup of its id that the store has: byte for byte,
 * for one id stands for one archive.  Its id is known when its first member has passed, so of that
 * a SHA-256 is taken.
 *
 *	import_compare_data… ─> import_compare_begin ─> (import_compare_data… ─>
 * import_compare_member)… ─> import_compare_end
 */
struct import_compare;

struct import_compare *import_compare_new(void);
void import_compare_free_at(struct import_compare **c); /* which is NULL then */

/* The next plain bytes of the archive.  -1: the store cannot read its own. */
int import_compare_data(struct import_compare *c, const void *data, size_t len, struct err *e);

/* The store has the backup ${id}.  Errors as of replay_open and of its source. */
int import_compare_begin(
	struct import_compare *c, struct store *store, const char *id, struct err *e);

/* What has come since the last call was of the member ${path}. */
void import_compare_member(struct import_compare *c, const char *path);

/* All has come: 0 if it is the store's; else -1, ERR_CONFLICT, which names the first member that
 * differs. */
int import_compare_end(struct import_compare *c, struct err *e);

#endif
