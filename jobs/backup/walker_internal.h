#ifndef JOBS_BACKUP_WALKER_INTERNAL_H
#define JOBS_BACKUP_WALKER_INTERNAL_H

#include "jobs/backup/page_diff.h"
#include "jobs/backup/walker.h"

/* What walker.c, walker_layer.c and walker_pages.c share; nobody else includes it. */

struct walker {
	struct passes *passes;
	size_t source; /* of the inventory */
	enum pass_kind kind;
	struct pass_result *result;
	const struct segment *segment; /* the present one */
	struct spool *spool;	       /* frozen */
	struct page_diff diff;	       /* of the present segment */
	struct live_file *file;	       /* that it is about; NULL: it is stored, or spooled whole */
	bool cloned;		       /* frozen: the present segment is in the spool, unread */
	struct recipe found;	       /* of the present segment */
	struct recipe expected;	       /* what the cache says of one that is read again */
	struct recipe earlier; /* of a large file: what an earlier version of it was stored as */
	bool again;
	bool holds; /* the passes' mutex, from begin to end of a segment that is ingested */
};

/* Whether the walk may go on: 0, -1 with ERR_CANCELLED or ERR_TIMEOUT.  By any thread. */
int walker_check(const struct walker *w, struct err *e);

/* Take the passes' mutex unless the walk has it. */
void walker_hold(struct walker *w);

/* ${len} bytes are to be read: wait as long as the limit of the live passes wants; with the mutex.
 */
int walker_pace(struct walker *w, size_t len, struct err *e);

/* The segment is read into the store, with the passes' mutex held. */
int walker_begin_ingest(struct walker *w, const struct segment *s, struct err *e);

/* Match the first bytes of an open file with its previous version; returns how many, -1. */
int64_t walker_take_matched(struct walker *w, int fd, int64_t size, struct err *e);

/* The claimed ${w}->file is compared page by page: 1 if it is known as it is, 0, -1. */
int walker_begin_diff(struct walker *w, const struct segment *s, struct err *e);

/* Before ${len} bytes of it are read, by any thread that helps to compare: 0, -1. */
int walker_diff_step(void *walker, size_t len, struct err *e);

/* Compare the open file; returns how many of its bytes were taken, -1. */
int64_t walker_take_pages(struct walker *w, int fd, int64_t size, struct err *e);

/* Its pages are known now, or all of it was cloned: 0, -1. */
int walker_end_diff(struct walker *w, const struct segment *s, bool stable, struct err *e);

/* Of a layer: fill in ${t} what its form wants.  ${ret_opaque}: the walk's to free after ${t}.  One
 * that cannot be had is left out of the inventory. */
int walker_layer(struct walker *w, enum segment_part part, struct tree *t, char ***ret_opaque,
	struct err *e);

#endif
