#ifndef STORE_READ_ROW_WINDOW_H
#define STORE_READ_ROW_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "store/catalogue/chunks.h"
#include "store/format/recipe.h"

/* A recipe's chunks by their place in it, read from the catalogue some at a time. */

/* Rows fetched at once: 20 KiB. */
enum { ROW_WINDOW_ROWS = 256 };

/* Where in the recipe a stride of chunks begins. */
struct row_window_start {
	size_t run;
	uint64_t skip; /* chunks of that run before */
};

struct row_window {
	struct catalogue *catalogue;
	const struct recipe *recipe;
	uint64_t chunks;		 /* of the recipe */
	struct row_window_start *starts; /* at regular places */
	struct chunk rows[ROW_WINDOW_ROWS];
	uint64_t first;
	size_t count;
};

/* Both are borrowed until row_window_free; the recipe must not change. */
void row_window_init(struct row_window *w, struct catalogue *c, const struct recipe *recipe);
void row_window_free(struct row_window *w); /* also of one that is all zero */

/**
 * row_window_row(w, index, e):
 * The row of the recipe's chunk ${index} (below ${w->chunks}), borrowed until the next call.  NULL
 * with ERR_CORRUPT if there is none.
 */
const struct chunk *row_window_row(struct row_window *w, uint64_t index, struct err *e);

#endif
