#include "jobs/backup/page_diff.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/tar/member.h"
#include "archive/write/content.h"
#include "base/mem.h"
#include "base/scope.h"

enum {
	SUMS_AT_ONCE = PAGE_DIFF_RANGE / LIVE_PAGE, /* 4 KiB */
	/* One read: 1 MiB was the fastest of 64 KiB to 1 MiB (11 GB/s by two threads), 256 KiB
	 * nearly so, and it stays in a core's own cache until it is summed. */
	PIECE = 256 * 1024
};

void
page_diff_begin(struct page_diff *d, struct live_pages *pages, struct live_file *file)
{
	d->pages = pages;
	d->file = file;
	d->bytes = 0;
	d->count = 0;
	d->sums_count = 0;
	d->part.max = LIVE_PAGE;
	buf_clear(&d->part);
}

static int
by_page(const void *a, const void *b)
{
	const struct live_change *x = a, *y = b;

	if (x->page == y->page)
		return 0;
	return x->page < y->page ? -1 : 1;
}

/* Where the first of the known changes at or behind ${page} stands. */
static size_t
change_at(const struct live_file *f, uint64_t page)
{
	size_t from = 0, to = f->change_count;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (f->changes[middle].page < page)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The sums that are known of ${count} pages from ${first} on; returns of how many. */
static size_t
known_sums(const struct page_diff *d, uint64_t first, struct page_sum *sums, size_t count)
{
	const struct live_file *f = d->file;
	size_t known = live_pages_sums(d->pages, f, first, sums, count);

	for (size_t i = change_at(f, first);
		i < f->change_count && f->changes[i].page < first + count; i++) {
		const size_t at = (size_t)(f->changes[i].page - first);

		/* Behind the end of the first reading all pages are changes, without a gap. */
		if (at > known)
			break;
		sums[at] = f->changes[i].sum;
		known = at == known ? known + 1 : known;
	}
	return known;
}

static void
add_found(struct page_diff *d, const struct live_change *changes, size_t count)
{
	if (d->count + count > d->room) {
		d->room = 2 * d->room + count + 64;
		d->found = mem_array(d->found, d->room, sizeof(*d->found));
	}
	memcpy(d->found + d->count, changes, count * sizeof(*changes));
	d->count += count;
}

/* Pages side by side in memory: which differ, and their places. */
struct page_diff_stretch {
	const char *data;
	size_t len;
	uint64_t first;		     /* page */
	const struct page_sum *sums; /* of the first ${known} of them */
	size_t known;
};

static size_t
page_len(const struct page_diff_stretch *s, size_t i)
{
	const size_t left = s->len - i * LIVE_PAGE;

	return left < LIVE_PAGE ? left : LIVE_PAGE;
}

/* Store the pages ${from} to before ${to}, whose sums are in ${changes}. */
static int
store_pages(struct page_diff *d, const struct page_diff_stretch *s, size_t from, size_t to,
	struct live_change *changes, struct err *e)
{
	const size_t last = to - 1;
	const size_t len = (last - from) * LIVE_PAGE + page_len(s, last);
	uint64_t slot = 0;

	if (live_pages_store(d->pages, s->data + from * LIVE_PAGE, len, &slot, e) != 0)
		return -1;
	for (size_t i = from; i < to; i++)
		changes[i].slot = slot + (i - from);
	return 0;
}

/* Find what differs in ${s}, at most PIECE bytes of whole pages or the last ones, and store it.
 * ${changes}: room for all of its pages.  Returns how many differ, -1. */
static ssize_t
stretch_diff(struct page_diff *d, const struct page_diff_stretch *s, struct live_change *changes,
	struct err *e)
{
	const size_t count = (s->len + LIVE_PAGE - 1) / LIVE_PAGE;
	size_t begun = count, kept = 0; /* where a run of differing pages began */
	struct live_change all[PIECE / LIVE_PAGE];

	for (size_t i = 0; i <= count; i++) {
		bool differs = false;

		if (i < count) {
			all[i] = (struct live_change){.page = s->first + i,
				.sum = page_sum_of(s->data + i * LIVE_PAGE, page_len(s, i))};
			differs = i >= s->known || !page_sum_equal(&all[i].sum, &s->sums[i]);
		}
		if (differs && begun == count)
			begun = i;
		if (differs || begun == count)
			continue;
		if (store_pages(d, s, begun, i, all, e) != 0)
			return -1;
		memcpy(changes + kept, all + begun, (i - begun) * sizeof(*all));
		kept += i - begun;
		begun = count;
	}
	return (ssize_t)kept;
}

/* A file, shared by the threads that compare it. */
struct page_diff_reading {
	struct page_diff *diff;
	const struct page_diff_input *in;
	int64_t total; /* with the padding */
	atomic_bool stop;
	pthread_mutex_t mutex; /* guards what follows, and what the diff found */
	bool given_up;	       /* it cannot be read, or too much differs */
	struct err error;
	int64_t copied;
};

/* With the mutex held.  ${e}: what failed; NULL: it is given up. */
static void
reading_stop(struct page_diff_reading *r, const struct err *e)
{
	if (!atomic_exchange(&r->stop, true)) {
		r->given_up = e == NULL;
		if (e != NULL)
			r->error = *e;
	}
}

/* The ${len} bytes at ${offset}; zeros behind the end, as for a file that has become shorter. */
static int
page_diff_read_piece(const struct page_diff_reading *r, char *to, size_t len, int64_t offset)
{
	const int64_t left = r->in->size - offset;
	const size_t want = left < (int64_t)len ? (size_t)(left < 0 ? 0 : left) : len;
	const ssize_t got = content_read(r->in->fd, to, want, offset);

	if (got < 0)
		return -1;
	memset(to + got, 0, len - (size_t)got);
	return 0;
}

static int
piece_diff(struct page_diff_reading *r, char *data, size_t len, int64_t offset,
	const struct page_sum *sums, size_t known, struct err *e)
{
	const uint64_t first = (uint64_t)offset / LIVE_PAGE;
	struct live_change changes[PIECE / LIVE_PAGE];
	const struct page_diff_stretch s = {data, len, first, sums, known};
	ssize_t found;

	if (page_diff_read_piece(r, data, len, offset) != 0) {
		LOCKED(&r->mutex);
		reading_stop(r, NULL);
		return 0;
	}
	found = stretch_diff(r->diff, &s, changes, e);
	if (found <= 0)
		return found < 0 ? -1 : 0;
	LOCKED(&r->mutex);
	add_found(r->diff, changes, (size_t)found);
	if (r->diff->count > r->in->changes_max)
		reading_stop(r, NULL);
	for (ssize_t i = 0; i < found; i++)
		r->copied += (int64_t)page_len(&s, (size_t)(changes[i].page - first));
	return 0;
}

static int
range_diff(struct page_diff_reading *r, int64_t from, int64_t to, struct err *e)
{
	SCOPED(free_at) char *data = mem_array(NULL, PIECE, 1);
	struct page_sum sums[SUMS_AT_ONCE];
	const size_t known = known_sums(r->diff, (uint64_t)from / LIVE_PAGE, sums, SUMS_AT_ONCE);

	for (int64_t at = from; at < to && !atomic_load(&r->stop); at += PIECE) {
		const size_t len = to - at < PIECE ? (size_t)(to - at) : PIECE;
		const size_t skip = (size_t)(at - from) / LIVE_PAGE;

		if (r->in->step(r->in->ctx, len, e) != 0)
			return -1;
		if (piece_diff(r, data, len, at, sums + skip, known > skip ? known - skip : 0, e) !=
			0)
			return -1;
	}
	return 0;
}

static void
range_step(void *ctx, size_t i)
{
	struct page_diff_reading *r = ctx;
	const int64_t from = (int64_t)i * PAGE_DIFF_RANGE;
	const int64_t end = from + PAGE_DIFF_RANGE;
	struct err e;

	if (atomic_load(&r->stop) || range_diff(r, from, end < r->total ? end : r->total, &e) == 0)
		return;
	LOCKED(&r->mutex);
	reading_stop(r, &e);
}

int
page_diff_file(struct page_diff *d, const struct page_diff_input *in, struct err *e)
{
	const int64_t total = in->size + (int64_t)member_padding(in->size);
	struct page_diff_reading r = {
		.diff = d, .in = in, .total = total, .mutex = PTHREAD_MUTEX_INITIALIZER};

	crew_share(in->crew, range_step, &r,
		(size_t)((total + PAGE_DIFF_RANGE - 1) / PAGE_DIFF_RANGE));
	if (atomic_load(&r.stop)) {
		d->count = 0;
		if (r.given_up)
			return 0;
		*e = r.error;
		return -1;
	}
	d->bytes = total;
	d->copied += r.copied;
	return 1;
}

/* One page of the stream, or its last ${len} bytes. */
static int
page_take(struct page_diff *d, const void *data, size_t len, struct err *e)
{
	const uint64_t page = (uint64_t)d->bytes / LIVE_PAGE;
	struct live_change change;
	struct page_diff_stretch s = {.data = data, .len = len, .first = page};
	ssize_t found;

	if (d->sums == NULL)
		d->sums = mem_array(NULL, SUMS_AT_ONCE, sizeof(*d->sums));
	if (page - d->sums_first >= d->sums_count) {
		d->sums_first = page;
		d->sums_count = known_sums(d, page, d->sums, SUMS_AT_ONCE);
	}
	s.known = d->sums_count > page - d->sums_first;
	s.sums = d->sums + (page - d->sums_first);
	found = stretch_diff(d, &s, &change, e);
	if (found < 0)
		return -1;
	d->bytes += (int64_t)len;
	if (found == 0)
		return 0;
	add_found(d, &change, 1);
	d->copied += (int64_t)len;
	return 0;
}

int
page_diff_data(struct page_diff *d, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	while (len > 0) {
		const size_t want = LIVE_PAGE - d->part.len;
		const size_t part = want < len ? want : len;
		int status = 0;

		if (part == LIVE_PAGE) {
			status = page_take(d, at, part, e);
		} else {
			(void)buf_add(&d->part, at, part); /* its maximum is a page */
			if (d->part.len == LIVE_PAGE) {
				status = page_take(d, d->part.data, d->part.len, e);
				buf_clear(&d->part);
			}
		}
		if (status != 0)
			return -1;
		at += part;
		len -= part;
	}
	return 0;
}

int
page_diff_end(struct page_diff *d, const unsigned char key[KEY_SIZE], bool stable, struct err *e)
{
	if (d->part.len > 0 && page_take(d, d->part.data, d->part.len, e) != 0)
		return -1;
	buf_clear(&d->part);
	if (d->count > 0)
		qsort(d->found, d->count, sizeof(*d->found), by_page);
	live_pages_change(d->pages, d->file, d->found, d->count);
	d->count = 0;
	d->file->bytes = d->bytes;
	d->file->stable = stable;
	memcpy(d->file->key, key, KEY_SIZE);
	return 0;
}

void
page_diff_clear(struct page_diff *d)
{
	buf_free(&d->part);
	free(d->found);
	free(d->sums);
	*d = (struct page_diff){0};
}
