#ifndef JOBS_BACKUP_PAGE_DIFF_H
#define JOBS_BACKUP_PAGE_DIFF_H

#include "base/buf.h"
#include "base/crew.h"
#include "jobs/backup/live_pages.h"

/*
 * A large file against what is known of it (live_pages.h): its pages are summed, those that differ
 * are stored, and at the end the file is known as it was read now.  A regular file is read side by
 * side by all threads of a crew, a stream (of a file with holes) in order.
 * Belongs to one thread; all zero to start with.
 */
struct page_diff {
	struct live_pages *pages;
	struct live_file *file; /* claimed by the caller */
	int64_t bytes;		/* of the stream, compared so far */
	struct buf part;	/* the beginning of a page, where a piece did not hold all of it */
	struct live_change *found;
	size_t count, room;
	struct page_sum *sums; /* of the pages from ${sums_first} on */
	uint64_t sums_first;
	size_t sums_count;
	int64_t copied; /* bytes, since it was all zero */
};

/* What a thread reads and compares before it looks for more. */
enum { PAGE_DIFF_RANGE = 4 * 1024 * 1024 };

void page_diff_begin(struct page_diff *d, struct live_pages *pages, struct live_file *file);

struct page_diff_input {
	struct crew *crew; /* or NULL */
	int fd;
	int64_t size; /* bytes of the file; its stream has the padding of an archive, too */
	size_t changes_max;
	/* Before ${len} bytes are read, by any thread: 0, -1 to stop. */
	int (*step)(void *ctx, size_t len, struct err *e);
	void *ctx;
};

/**
 * page_diff_file(d, in, e):
 * Compare all of an open file; where it has become shorter it has zeros.  Returns 1; 0 if it could
 * not be read, or more than ${in->changes_max} pages differ: nothing is found then, and
 * page_diff_data takes it from its first byte; -1: errors of ${in->step} and of live_pages_store.
 */
int page_diff_file(struct page_diff *d, const struct page_diff_input *in, struct err *e);

/* The next ${len} bytes of the stream. */
int page_diff_data(struct page_diff *d, const void *data, size_t len, struct err *e);

/* The stream has ended: the file is what was read.  ${key}: of its segment; ${stable}: it stands
 * for these bytes. */
int page_diff_end(
	struct page_diff *d, const unsigned char key[KEY_SIZE], bool stable, struct err *e);

void page_diff_clear(struct page_diff *d);

#endif
