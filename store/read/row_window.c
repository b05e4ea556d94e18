#include "store/read/row_window.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"

/* 16 bytes for so many chunks, 110 KiB for a terabyte; to find one, at most so many runs pass. */
enum { STRIDE = 1024 };

void
row_window_init(struct row_window *w, struct catalogue *c, const struct recipe *recipe)
{
	const uint64_t chunks = recipe_chunks(recipe);
	const size_t count = (size_t)((chunks + STRIDE - 1) / STRIDE);
	uint64_t before = 0;
	size_t run = 0;

	w->catalogue = c;
	w->recipe = recipe;
	w->chunks = chunks;
	w->first = w->count = 0;
	w->starts = mem_array(NULL, count, sizeof(*w->starts));
	for (size_t i = 0; i < count; i++) {
		const uint64_t index = i * (uint64_t)STRIDE;
		while (before + recipe->runs[run].count <= index)
			before += recipe->runs[run++].count;
		w->starts[i] = (struct row_window_start){run, index - before};
	}
}

void
row_window_free(struct row_window *w)
{
	free(w->starts);
	w->starts = NULL;
}

/* Fetch the rows of the recipe's chunks from ${index} on. */
static int
row_window_fill(struct row_window *w, uint64_t index, struct err *e)
{
	struct row_window_start p = w->starts[index / STRIDE];
	const struct recipe_run *runs = w->recipe->runs;
	size_t count = 0;
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(w->catalogue, e);

	w->count = 0;
	if (c == NULL)
		return -1;
	p.skip += index % STRIDE;
	for (; p.skip >= runs[p.run].count; p.run++)
		p.skip -= runs[p.run].count;
	while (count < ROW_WINDOW_ROWS && p.run < w->recipe->count) {
		const uint64_t left = runs[p.run].count - p.skip;
		const size_t room = ROW_WINDOW_ROWS - count;
		const size_t n = left < room ? (size_t)left : room;
		if (chunks_range(c, runs[p.run].first + p.skip, n, w->rows + count, e) != 0)
			return -1;
		count += n;
		p = (struct row_window_start){p.run + 1, 0};
	}
	w->first = index;
	w->count = count;
	return 0;
}

const struct chunk *
row_window_row(struct row_window *w, uint64_t index, struct err *e)
{
	assert(index < w->chunks);
	if (index - w->first >= w->count && row_window_fill(w, index, e) != 0)
		return NULL;
	return &w->rows[index - w->first];
}
