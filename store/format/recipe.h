#ifndef STORE_FORMAT_RECIPE_H
#define STORE_FORMAT_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The ordered chunks of one stream: dense 64-bit chunk numbers, run-length coded, so that a backup
 * of a terabyte of unchanged data is a few kilobytes.  A plain value; not thread-safe.
 */
struct recipe_run {
	uint64_t first;
	uint64_t count; /* first, first + 1, … first + count - 1 */
};

struct recipe {
	struct recipe_run *runs;
	size_t count;
	size_t room;
};

#define RECIPE_INIT                                                                                \
	{                                                                                          \
		0                                                                                  \
	}

void recipe_add(struct recipe *r, uint64_t number);
void recipe_add_all(struct recipe *r, const struct recipe *other);
void recipe_clear(struct recipe *r); /* empty, keeping the memory */
void recipe_free(struct recipe *r);  /* usable as SCOPED(recipe_free) */
uint64_t recipe_chunks(const struct recipe *r);
bool recipe_equal(const struct recipe *a, const struct recipe *b); /* the same numbers */

/* A place in a recipe, for parts of it that are taken in ascending order. */
struct recipe_cursor {
	size_t run;
	uint64_t before; /* chunks of the runs before it */
};

/* Append the ${count} chunks of ${r} from its ${first} on, which is not before ${c}, to ${to}. */
void recipe_add_part(struct recipe *to, const struct recipe *r, struct recipe_cursor *c,
	uint64_t first, uint64_t count);

/**
 * recipe_encode(r, ret_len), recipe_decode(data, len, ret_recipe, e):
 * To and from bytes: per run, the difference of `first` to the end of the run before (zigzag) and
 * `count`, both LEB128.  The encoding is the caller's to free.  Decoding refuses counts of 0,
 * overflow and rests: ERR_CORRUPT.
 */
void *recipe_encode(const struct recipe *r, size_t *ret_len);
int recipe_decode(const void *data, size_t len, struct recipe *ret_recipe, struct err *e);

#endif
