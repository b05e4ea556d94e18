#ifndef STORE_CATALOGUE_FIGURES_H
#define STORE_CATALOGUE_FIGURES_H

#include <stdint.h>

#include "base/err.h"

struct store;

/* How many backups are listed in each state.  Thread-safe, as all of these. */
struct figures_backups {
	int64_t running, complete, partial, failed;
	int64_t damaged;     /* of the complete and partial ones */
	int64_t plain_bytes; /* their plain size, all together */
};
int figures_backups(struct store *s, struct figures_backups *ret, struct err *e);

/* How many chunks are known to be damaged; reads the table of chunks (0.1 s a million). */
int figures_chunks_bad(struct store *s, int64_t *ret_count, struct err *e);

#endif
