/* The plain bytes of a backup: verified, and when they are read one after the other, read ahead. */
#include <endian.h>
#include <string.h>

#include "store/read/chunk_load.h"
#include "store/read/replay_internal.h"

/* Pieces that were read one after the other, before others are read ahead: who looks at a member
 * here and there has no use for them. */
enum { STEADY = 4 };

/* The next ${chunks} chunks are at hand. */
static void
plain_have(struct replay *r, const unsigned char *plain, size_t len, uint64_t chunks)
{
	r->plain = plain;
	r->plain_len = len;
	r->plain_used = r->plain_skip;
	r->plain_skip = 0;
	r->plain_start += (int64_t)len;
	r->plain_index += chunks;
	r->steady++;
}

/* Have a batch of the chunks from ${r->ahead_to} on read; false: there is none, or its rows cannot
 * be had now. */
static bool
ahead_add(struct replay *r)
{
	struct chunk rows[READ_AHEAD_ROWS];
	size_t count = 0, bytes = 0;
	struct err ignored;

	while (count < READ_AHEAD_ROWS && bytes < READ_AHEAD_BATCH &&
		r->ahead_to + count < r->totals.chunks) {
		const struct chunk *c = row_window_row(&r->window, r->ahead_to + count, &ignored);

		if (c == NULL || c->plain_len > CHUNK_MAX - bytes)
			break;
		bytes += c->plain_len;
		rows[count++] = *c;
	}
	if (count == 0)
		return false;
	read_ahead_put(r->ahead, rows, count);
	r->ahead_to += count;
	return true;
}

/* Whether there are threads, now or at last. */
static bool
have_threads(struct replay *r)
{
	if (r->ahead == NULL && !r->alone) {
		r->ahead = read_ahead_new(r->store);
		r->alone = r->ahead == NULL;
	}
	return r->ahead != NULL;
}

/* Whether the chunk ${plain_index} is being read ahead, as it will be with those after it. */
static bool
is_ahead(struct replay *r)
{
	if (r->ahead == NULL && (r->steady < STEADY || !have_threads(r)))
		return false;
	if (r->plain_index != r->ahead_from || read_ahead_count(r->ahead) == 0) {
		read_ahead_drop(r->ahead);
		r->ahead_from = r->ahead_to = r->plain_index;
	}
	while (r->steady >= STEADY && read_ahead_count(r->ahead) < read_ahead_room(r->ahead) &&
		ahead_add(r))
		;
	return read_ahead_count(r->ahead) > 0;
}

/* The next chunks, decompressed and verified. */
static int
plain_next(struct replay *r, struct err *e)
{
	const unsigned char *plain = NULL;
	const struct chunk *c;
	ssize_t chunks;
	size_t len = 0;

	if (is_ahead(r)) {
		if ((chunks = read_ahead_take(r->ahead, &plain, &len, e)) < 0)
			return -1;
		r->ahead_from += (uint64_t)chunks;
		plain_have(r, plain, len, (uint64_t)chunks);
		return 0;
	}
	if ((c = replay_record(r, r->plain_index, e)) == NULL)
		return -1;
	plain = chunk_load(&r->files, r->codec, r->record, c, true, e);
	if (plain == NULL)
		return -1;
	plain_have(r, plain, c->plain_len, 1);
	return 0;
}

static ssize_t
plain_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct replay *r = ctx;

	if (r->plain_used == r->plain_len) {
		if (r->plain_index == r->totals.chunks)
			return r->plain_start == r->totals.plain_bytes
				       ? 0
				       : err_set(e, ERR_CORRUPT,
						 "the backup's plain size is not what was stored");
		if (plain_next(r, e) != 0)
			return -1;
	}
	const size_t left = r->plain_len - r->plain_used;
	const size_t len = left < size ? left : size;
	memcpy(data, r->plain + r->plain_used, len);
	r->plain_used += len;
	return (ssize_t)len;
}

struct source
replay_plain(struct replay *r)
{
	if (r->codec == NULL)
		r->codec = codec_new(r->store->cipher);
	r->plain_index = 0;
	r->plain_start = 0;
	r->plain_len = r->plain_used = r->plain_skip = 0;
	r->steady = 0;
	return (struct source){.read = plain_read, .ctx = r};
}

int64_t
replay_plain_at(const struct replay *r)
{
	return r->plain_start + (int64_t)r->plain_skip - (int64_t)(r->plain_len - r->plain_used);
}

/* The last mark that is not behind the plain byte ${offset}. */
static size_t
mark_before(const struct totals *t, int64_t offset)
{
	size_t low = 0;
	size_t high = t->marks_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;
		if ((int64_t)le64toh(t->marks[middle].plain) <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The chunk that has the plain byte ${offset}, and where it begins; from ${*index} on, or anywhere
 * before. */
static int
replay_plain_find(struct replay *r, int64_t offset, uint64_t *index, int64_t *start, struct err *e)
{
	const struct totals *t = &r->totals;
	const size_t mark = mark_before(t, offset);

	if (t->marks_count > 0 && (offset < *start || *index / MARK_CHUNKS < mark)) {
		*index = mark * (uint64_t)MARK_CHUNKS;
		*start = (int64_t)le64toh(t->marks[mark].plain);
	}
	for (; *index < t->chunks; ++*index) {
		const struct chunk *c = row_window_row(&r->window, *index, e);
		if (c == NULL)
			return -1;
		if (*start + c->plain_len > offset)
			break;
		*start += c->plain_len;
	}
	if (*index == t->chunks && *start != offset)
		return err_set(e, ERR_CORRUPT, "the recipe's chunks are shorter than recorded");
	return 0;
}

int
replay_plain_seek(struct replay *r, int64_t offset, struct err *e)
{
	uint64_t index = r->plain_index;
	int64_t start = r->plain_start;

	if (offset < 0 || offset > r->totals.plain_bytes)
		return err_set(
			e, ERR_RANGE, "the tar has %lld bytes", (long long)r->totals.plain_bytes);
	if (offset < start && offset >= start - (int64_t)r->plain_len) { /* in what is at hand */
		r->plain_skip = 0;
		r->plain_used = r->plain_len - (size_t)(start - offset);
		return 0;
	}
	if (replay_plain_find(r, offset, &index, &start, e) != 0)
		return -1;
	if (index != r->plain_index)
		r->steady = 0;
	r->plain_index = index;
	r->plain_start = start;
	r->plain_skip = (size_t)(offset - start);
	r->plain_len = r->plain_used = 0;
	return 0;
}

/* A stretch of chunks on its way to a file, or beside it. */
struct replay_plain_stretch {
	const struct replay_file *f;
	struct read_ahead_file file;
	uint64_t done; /* chunks, up to here */
	int64_t bytes; /* and how many bytes those are */
	int64_t place; /* in the file, behind them */
};

/* Hand out those of the batch's first ${whole} chunks that the file has not. */
static int
stretch_tell(struct replay *r, const struct replay_plain_stretch *s, size_t whole, struct err *e)
{
	const struct chunk *rows = read_ahead_rows(r->ahead);
	int64_t at = s->place;

	for (size_t i = 0; i < whole; at += rows[i++].plain_len) {
		const void *plain;

		if (read_ahead_same(r->ahead)[i])
			continue;
		r->record_index = UINT64_MAX; /* its place is used */
		plain = chunk_load(&r->files, r->codec, r->record, &rows[i], false, e);
		if (plain == NULL || s->f->differs(s->f->ctx, plain, rows[i].plain_len, at, e) != 0)
			return -1;
	}
	return 0;
}

/* Take the oldest batch: 1 if it is done, 0, -1. */
static int
stretch_take(struct replay *r, struct replay_plain_stretch *s, struct err *e)
{
	const unsigned char *plain;
	size_t len = 0;
	const ssize_t whole = read_ahead_take(r->ahead, &plain, &len, e);

	if (whole < 0 && s->f->use == REPLAY_WRITE)
		return -1;
	if (whole > 0 && s->f->use == REPLAY_LOOK && stretch_tell(r, s, (size_t)whole, e) != 0)
		return -1;
	s->done += whole > 0 ? (uint64_t)whole : 0;
	s->bytes += (int64_t)len;
	s->place += (int64_t)len;
	if (whole > 0 && (read_ahead_count(r->ahead) > 0 || s->done == s->file.put))
		return 1;
	if (s->f->use == REPLAY_COMPARE)
		return 0;
	s->file.put = s->done; /* who asks again, from there on, is told why */
	s->file.end = 0;
	return 1;
}

static int
stretch_all(struct replay *r, struct replay_plain_stretch *s, struct err *e)
{
	int more = 1, status = 1;

	while (status == 1) {
		while (more == 1 && read_ahead_count(r->ahead) < read_ahead_room(r->ahead))
			more = read_ahead_put_file(r->ahead, &r->window, &s->file, e);
		if (more < 0)
			return -1;
		if (s->done == s->file.put)
			return 1;
		status = stretch_take(r, s, e);
	}
	return status;
}

/* The first chunk that begins at ${f->at} or behind it. */
static int
stretch_begin(struct replay *r, struct read_ahead_file *f, struct err *e)
{
	const int64_t offset = f->at;

	f->put = r->plain_index;
	f->at = r->plain_start;
	if (replay_plain_find(r, offset, &f->put, &f->at, e) != 0)
		return -1;
	if (f->at < offset) {
		const struct chunk *c = row_window_row(&r->window, f->put, e);

		if (c == NULL)
			return -1;
		f->put++;
		f->at += c->plain_len;
	}
	return 0;
}

static enum read_ahead_use
read_ahead_use(enum replay_use use)
{
	switch (use) {
	case REPLAY_COMPARE:
		return READ_AHEAD_COMPARE;
	case REPLAY_LOOK:
		return READ_AHEAD_LOOK;
	case REPLAY_WRITE:
		break;
	}
	return READ_AHEAD_WRITE;
}

int
replay_file(struct replay *r, const struct replay_file *f, int64_t offset, int64_t len,
	int64_t fd_offset, int64_t *ret_from, int64_t *ret_len, struct err *e)
{
	const int64_t here = replay_plain_at(r);
	struct replay_plain_stretch s = {.f = f,
		.file = {.use = read_ahead_use(f->use),
			.at = offset,
			.end = offset + len,
			.fd = f->fd,
			.shift = fd_offset - offset}};
	struct err ignored;
	int status;

	*ret_from = *ret_len = 0;
	if (!have_threads(r))
		return 1;
	if (stretch_begin(r, &s.file, e) != 0)
		return -1;
	s.done = s.file.put;
	s.place = s.file.at + s.file.shift;
	*ret_from = s.file.at - offset;
	read_ahead_drop(r->ahead);
	status = stretch_all(r, &s, e);
	read_ahead_drop(r->ahead);
	*ret_len = s.bytes;
	r->plain_len = r->plain_used = r->plain_skip = 0; /* it was in a batch that is gone */
	if (replay_plain_seek(r, here, status < 0 ? &ignored : e) != 0)
		return -1;
	return status;
}
