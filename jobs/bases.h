#ifndef JOBS_BASES_H
#define JOBS_BASES_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/segments.h"
#include "store/recipe.h"

/*
 * What the live passes read of large files: the chunks of each and their marks (length and
 * XXH3-128, xxhash.com), so that the frozen pass can tell which chunks have changed since and
 * copy these alone.  Only for that comparison: what is stored is addressed by SHA-256.
 *
 * The marks go to an unlinked file (24 bytes for a chunk); in memory are at most BASES_MAX files,
 * the largest.  A file that is not here is copied whole when it changes, so that a lack of memory
 * or disk costs time, never correctness.  One thread at a time puts; once none does, any read.
 */
struct bases;

/* Smaller files are copied in less time than their marks are looked up: 1 MiB in 0.2 ms. */
#define BASE_BYTES_MIN (INT64_C(1) << 20)

enum { BASES_MAX = 16 * 1024 }; /* 200 bytes and the path of each: some 5 MiB */

struct mark {
	uint64_t low, high; /* XXH3-128 */
	uint32_t len;
};

struct base {
	char *path; /* archive path */
	enum segment_kind kind;
	int64_t bytes;
	struct recipe recipe;
	uint64_t first; /* of its marks, in the file */
	uint64_t count; /* of marks and of the recipe's chunks */
};

/* ${dir_fd}: borrowed.  ${hidden}: the marks are to tell nobody else anything (store/scratch.h). */
struct bases *bases_new(int dir_fd, bool hidden);
void bases_free_at(struct bases **b);

/**
 * bases_begin(b), bases_chunk(b, data, len), bases_keep(b, segment, recipe):
 * One file: its chunks in order, then, if it is to be kept, what they were stored as.  It takes the
 * place of an earlier one of the same path.
 */
void bases_begin(struct bases *b);
void bases_chunk(void *bases, const void *data, size_t len); /* as for ingest_watch */
void bases_keep(struct bases *b, const struct segment *segment, const struct recipe *recipe);

/* The base of the file at ${path}, if it is of that kind; borrowed until the next bases_keep. */
const struct base *bases_find(const struct bases *b, const char *path, enum segment_kind kind);

/* Up to ${count} marks of ${base} from its ${first} on.  Returns how many, 0 if there are none. */
size_t bases_marks(const struct bases *b, const struct base *base, uint64_t first,
	struct mark *marks, size_t count);

struct mark mark_of(const void *data, size_t len);
bool mark_equal(const struct mark *a, const struct mark *b);

#endif
