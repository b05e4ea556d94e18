#ifndef STORE_GC_VICTIMS_H
#define STORE_GC_VICTIMS_H

#include "store/gc/live_set.h"
#include "store/packs/packs.h"

/* The packs that a sweep empties next. */
struct victim {
	int64_t pack; /* row */
	unsigned char uuid[RECORD_UUID_SIZE];
	int64_t bytes;
	int64_t known_bytes;	/* of all records that have rows, needed or not */
	int64_t needed_bytes;	/* of its records */
	uint64_t rows;		/* of its chunks */
	bool blocked;		/* a needed chunk in it is bad, or it could not be read */
	struct recipe *numbers; /* of its rows, some others among them; NULL: not chosen */
};

struct victims {
	struct victim *packs; /* all that are sealed, by row; those chosen in front, least needed
				 first, once victims_find is through */
	size_t packs_count;
	size_t count; /* of those chosen */
	int64_t *skipped;
	size_t skipped_count;
};

/**
 * victims_find(v, m, e):
 * Choose among the sealed packs those of which at least half is not needed, with at most
 * VICTIMS_ROWS rows (at least one pack, if there is any).  Sealed packs get no more rows, so what
 * is found stays complete.  Reads the index twice, some rows at a time.
 */
int victims_find(struct victims *v, const struct live_set *m, struct err *e);
void victims_free(struct victims *v);

/* Leave this pack out from now on. */
void victims_skip(struct victims *v, int64_t pack);

/* 16 bytes for each, at most: 4 MiB; the packs of one round hold up to 64 GiB. */
enum { VICTIMS_ROWS = 1 << 18 };

#endif
