#ifndef JOBS_COMPARE_H
#define JOBS_COMPARE_H

#include "base/buf.h"
#include "jobs/bases.h"
#include "jobs/spool.h"

/*
 * A segment of the frozen pass against what a live pass read of the same file: chunks with equal
 * marks are told by their number, all else is copied.  Belongs to one thread; all zero to start
 * with.
 */
enum { COMPARE_MARKS = 512 }; /* read at once: 12 KiB, for 8 MiB of pages */

struct compare {
	const struct bases *bases;
	const struct base *base; /* NULL: everything is copied */
	struct spool *spool;
	uint64_t next;	 /* chunk of the base that is due */
	struct buf part; /* the beginning of that chunk, where a piece did not hold all of it */
	struct spool_same same; /* chunks that were equal and are not told yet */
	struct mark marks[COMPARE_MARKS];
	uint64_t marks_first;
	size_t marks_count;
	int64_t copied; /* bytes, since the compare was all zero */
};

int compare_begin(struct compare *c, const struct bases *bases, const struct base *base,
	struct spool *spool, struct err *e);
int compare_data(struct compare *c, const void *data, size_t len, struct err *e);
int compare_end(struct compare *c, struct err *e);
void compare_clear(struct compare *c);

#endif
