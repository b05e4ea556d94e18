#include "store/read/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/damage.h"
#include "store/read/chunk_load.h"

void
check_init(struct check *k, struct store *s)
{
	*k = (struct check){.store = s};
	pack_readers_init(&k->files, s);
	k->codec = codec_new(s->cipher);
	k->record = mem_new(PACK_READERS_RECORD_MAX);
}

void
check_close(struct check *k)
{
	if (k->store == NULL)
		return;
	pack_readers_close(&k->files);
	codec_free(k->codec);
	free(k->record);
	*k = (struct check){0};
}

static enum checked
read_back(struct check *k, const struct chunk *row, const void **ret_plain, struct err *e)
{
	if (pack_readers_read(&k->files, row, k->record, e) != 0)
		return e->code == ERR_CORRUPT || e->code == ERR_UNSUPPORTED ? CHECK_DAMAGED
									    : CHECK_UNREAD;
	*ret_plain = chunk_load(&k->files, k->codec, k->record, row, true, e);
	return *ret_plain == NULL ? CHECK_DAMAGED : CHECK_WHOLE;
}

/* The row as it is now: 1, 0 if it is gone, -1. */
static int
row_again(struct check *k, uint64_t number, struct chunk *ret_row, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(k->store->catalogue, e);
	size_t count = 0;

	if (c == NULL || chunks_from(c, number, ret_row, 1, &count, e) != 0)
		return -1;
	return count == 1 && ret_row->number == number;
}

static bool
check_same_place(const struct chunk *a, const struct chunk *b)
{
	return a->pack == b->pack && a->offset == b->offset;
}

static enum checked
check_settle(struct check *k, const struct chunk *row, enum checked found, struct err *e)
{
	struct err failure;

	if (found == CHECK_WHOLE && row->bad) {
		if (damage_mend(k->store, row, e) != 0)
			return CHECK_FAILED;
		k->mended++;
	}
	if (found != CHECK_DAMAGED || row->bad)
		return found;
	if (damage_note(k->store, row, &k->backups, &failure) == 0)
		return found;
	*e = failure;
	return CHECK_FAILED;
}

/*
 * What was not whole is read again at the place that the row has now, from files that are opened
 * anew: a sweep removes a file when its rows have moved, and another pack may get its row's number.
 * If the row stands there still after the reading, that was its place.
 */
static enum checked
read_again(struct check *k, uint64_t number, struct chunk *ret_row, const void **ret_plain,
	struct err *e)
{
	struct chunk after;
	struct err ignored;

	for (;;) {
		int there = row_again(k, number, ret_row, e);
		if (there <= 0)
			return there < 0 ? CHECK_FAILED : CHECK_GONE;
		pack_readers_close(&k->files);
		const enum checked found = read_back(k, ret_row, ret_plain, e);
		if (found == CHECK_WHOLE)
			return found;
		there = row_again(k, number, &after, &ignored);
		if (there == 1 && check_same_place(ret_row, &after))
			return found;
		if (there <= 0)
			return there < 0 ? CHECK_FAILED : CHECK_GONE;
	}
}

enum checked
check_chunk(struct check *k, const struct chunk *row, const void **ret_plain, struct err *e)
{
	struct chunk now;

	if (read_back(k, row, ret_plain, e) == CHECK_WHOLE && !row->bad)
		return CHECK_WHOLE;
	const enum checked found = read_again(k, row->number, &now, ret_plain, e);
	return found == CHECK_GONE ? found : check_settle(k, &now, found, e);
}
