#include "store/gc/scrub.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/store_stats.h"
#include "store/read/check.h"
#include "store/read/rate_limit.h"

static const int64_t BYTES_PER_SECOND = 64 << 20;

/* Rows read at once; a slice's place is written as often. */
enum { BATCH = 256 };

struct scrub {
	struct store *store;
	struct scrub_options options;
	struct scrub_totals *totals;
	struct rate_limit pace;
	struct check check;
	uint64_t next; /* the number from which it goes on */
	int64_t total; /* bytes to read, about */
	struct chunk rows[BATCH];
};

static void
scrub_free_at(struct scrub **w)
{
	(*w)->totals->chunks_mended = (*w)->check.mended;
	check_close(&(*w)->check);
	free(*w);
}

static int
place_load(struct scrub *w, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(w->store->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_SCRUBBED, e, "");

	if (q == NULL || statement_step(c, q, e) < 0)
		return -1;
	w->next = (uint64_t)sqlite3_column_int64(q, 0);
	return 0;
}

static int
place_save(struct scrub *w, uint64_t next, struct err *e)
{
	SCOPED(catalogue_rollback_at)
	struct connection *c = catalogue_begin(w->store->catalogue, e);

	if (c == NULL || statement_run(c, SQL_SCRUBBED_SET, e, "i", (int64_t)next) < 0)
		return -1;
	return catalogue_commit(TAKE(c), e);
}

static int
scrub_batch_load(struct scrub *w, size_t *ret_count, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(w->store->catalogue, e);

	return c == NULL ? -1 : chunks_from(c, w->next, w->rows, BATCH, ret_count, e);
}

static void
damaged_add(struct scrub_totals *t, uint64_t number)
{
	t->chunks_damaged++;
	if (t->numbers_count == SCRUB_NUMBERS)
		return;
	t->numbers = mem_array(t->numbers, t->numbers_count + 1, sizeof(*t->numbers));
	t->numbers[t->numbers_count++] = number;
}

static int
chunk_scrub(struct scrub *w, const struct chunk *row, struct err *e)
{
	struct scrub_totals *t = w->totals;
	const int64_t bytes = (int64_t)RECORD_SIZE + row->stored_len;
	const void *plain;

	if (rate_limit_take(&w->pace, bytes, e) != 0)
		return -1;
	const enum checked found = check_chunk(&w->check, row, &plain, e);
	if (found == CHECK_FAILED)
		return -1;
	if (found == CHECK_DAMAGED)
		damaged_add(t, row->number);
	if (found == CHECK_UNREAD && t->chunks_unread++ == 0)
		t->unread = *e;
	t->chunks++;
	t->bytes += bytes;
	w->next = row->number + 1;
	return 0;
}

static bool
enough(const struct scrub *w)
{
	return w->options.slice_bytes > 0 && w->totals->bytes >= w->options.slice_bytes;
}

/* Returns 1 if there is more, 0 at the end, -1. */
static int
batch_scrub(struct scrub *w, struct err *e)
{
	size_t count = 0;

	if (scrub_batch_load(w, &count, e) != 0)
		return -1;
	for (size_t i = 0; i < count && !enough(w); i++)
		if (chunk_scrub(w, &w->rows[i], e) != 0)
			return -1;
	if (w->options.tell != NULL)
		w->options.tell(w->options.ctx, w->totals->bytes, w->total);
	return count > 0;
}

/* A slice remembers its place as it goes: also one that is cut off. */
static int
run(struct scrub *w, struct err *e)
{
	const bool slice = w->options.slice_bytes > 0;
	struct err ignored;
	int more = 1;

	if (slice && place_load(w, e) != 0)
		return -1;
	while (more > 0 && !enough(w)) {
		more = batch_scrub(w, e);
		if (slice && more >= 0 && place_save(w, more == 0 ? 0 : w->next, e) != 0)
			return -1;
	}
	if (slice && more < 0)
		(void)place_save(w, w->next, &ignored);
	return more < 0 ? -1 : 0;
}

static void
scrub_begin(struct scrub *w, const struct scrub_options *options)
{
	struct store_stats stats = {0};
	struct err ignored;

	if (options != NULL)
		w->options = *options;
	const int64_t rate = w->options.bytes_per_second;
	w->pace = (struct rate_limit){.bytes_per_second = rate == 0 ? BYTES_PER_SECOND : rate,
		.stop = w->options.stop,
		.ctx = w->options.ctx};
	if (rate < 0)
		w->pace.bytes_per_second = 0;
	(void)store_stats(w->store, &stats, &ignored);
	w->total = stats.stored_bytes + stats.chunks * RECORD_SIZE;
	if (w->options.slice_bytes > 0 && w->options.slice_bytes < w->total)
		w->total = w->options.slice_bytes;
}

int
scrub_run(struct store *s, const struct scrub_options *options, struct scrub_totals *ret_totals,
	struct err *e)
{
	SCOPED(scrub_free_at) struct scrub *w = mem_new(sizeof(*w));

	*ret_totals = (struct scrub_totals){0};
	w->store = s;
	w->totals = ret_totals;
	check_init(&w->check, s);
	scrub_begin(w, options);
	return run(w, e);
}
