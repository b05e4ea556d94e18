#ifndef JOBS_BACKUP_LIVE_PAGES_H
#define JOBS_BACKUP_LIVE_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive/write/segments.h"
#include "store/format/recipe.h"
#include "store/write/ingest.h"

/*
 * What the live passes have read of large files, page by page: so that a later pass finds which
 * pages have changed since, at the speed of memory, and keeps these alone.
 *
 * A file's first reading stores it: its recipe, and a sum (XXH3-128, xxhash.com) of each page,
 * which goes to an unlinked file (16 bytes for 16 KiB).  A later reading (page_diff.h) adds
 * *changes*: pages that are not what was known, whose bytes go to another unlinked file.  The
 * recipe with the changes laid over it is the file as it was read last; it is stored once, when the
 * containers run again.  The sums serve this comparison alone: what is stored is addressed by
 * SHA-256.
 *
 * In memory are at most LIVE_FILES_MAX files, the largest, and LIVE_CHANGES_MAX changes.  A file
 * that is not here is read whole when it has changed, so that a lack of memory or disk costs time,
 * never correctness.
 *
 * Threads: begin, chunk, keep and find by one at a time (the passes' mutex); a file that was found
 * and claimed belongs to one thread until it is released; sums, store and load by any.
 */
struct live_pages;

/* Smaller files are copied in less time than their sums are looked up: 1 MiB in 0.2 ms. */
#define LIVE_BYTES_MIN (INT64_C(1) << 20)

enum {
	LIVE_PAGE = 16 * 1024,	      /* of databases and file systems, or a multiple of theirs */
	LIVE_FILES_MAX = 16 * 1024,   /* 250 bytes and the path of each: some 5 MiB */
	LIVE_CHANGES_MAX = 512 * 1024 /* 32 bytes each: 16 MiB, for 8 GiB that changed */
};

struct page_sum {
	uint64_t low, high; /* XXH3-128 */
};

struct live_change {
	uint64_t page;
	uint64_t slot; /* where its bytes are */
	struct page_sum sum;
};

struct live_file {
	char *path; /* archive path */
	enum segment_kind kind;
	struct recipe recipe;	     /* of its first reading */
	uint64_t first, pages;	     /* its sums, in the file of sums */
	int64_t bytes;		     /* of its stream, as it was read last */
	int64_t rank_bytes;	     /* the larger, the longer it is remembered */
	struct live_change *changes; /* since the first reading, ascending by page */
	size_t change_count;
	unsigned char key[KEY_SIZE]; /* of its segment, as it was read last */
	bool stable;		     /* the key stands for what was read */
	atomic_bool claimed;
};

/* ${dir_fd}: where the unlinked files go; borrowed.  ${hidden}: they are to tell nobody else
 * anything (store/keys/temp_cipher.h). */
struct live_pages *live_pages_new(int dir_fd, bool hidden);
void live_pages_free_at(struct live_pages **l);

/**
 * live_pages_begin(l), live_pages_chunk(live_pages, data, len), live_pages_keep(l, segment, stable,
 * recipe): A file's first reading: its bytes in order, in pieces of any length, then, if it is to
 * be kept, what they were stored as.  It takes the place of an earlier one of the same path.
 * ${stable}: the segment's key stands for these bytes.
 */
void live_pages_begin(struct live_pages *l);
void live_pages_chunk(void *live_pages, const void *data, size_t len); /* as for ingest_watch */
void live_pages_keep(struct live_pages *l, const struct segment *segment, bool stable,
	const struct recipe *recipe);

/**
 * live_pages_claim(l, path, kind):
 * The file at ${path} if it is known as of that kind, else NULL.  The caller has it to itself until
 * live_pages_release.
 */
struct live_file *live_pages_claim(struct live_pages *l, const char *path, enum segment_kind kind);
void live_pages_release(struct live_pages *l, struct live_file *f);

/* Whether half of LIVE_CHANGES_MAX is free yet: then a file may add as many changes. */
bool live_pages_room(const struct live_pages *l);

/* Up to ${count} sums of the first reading of ${f}, from page ${page} on.  Returns how many. */
size_t live_pages_sums(const struct live_pages *l, const struct live_file *f, uint64_t page,
	struct page_sum *sums, size_t count);

/* Keep ${len} bytes of pages that follow each other: the first is in ${ret_slot}, the others in
 * those behind.  0, -1: ERR_IO, ERR_NO_SPACE. */
int live_pages_store(
	struct live_pages *l, const void *data, size_t len, uint64_t *ret_slot, struct err *e);

/* The first ${len} bytes (up to LIVE_PAGE) of a page that was stored.  0, -1: ERR_IO. */
int live_pages_load(
	const struct live_pages *l, uint64_t slot, void *data, size_t len, struct err *e);

/* Add ${count} changes of the claimed ${f}, ascending by page; a newer one replaces an older one.
 */
void live_pages_change(
	struct live_pages *l, struct live_file *f, const struct live_change *changes, size_t count);

struct page_sum page_sum_of(const void *data, size_t len);
bool page_sum_equal(const struct page_sum *a, const struct page_sum *b);

#endif
