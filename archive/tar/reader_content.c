/* The content of the present member. */
#include <string.h>

#include "archive/tar/reader_internal.h"

/* What is worth to be done directly, and how much at once. */
enum { DIRECT_MIN = 512 * 1024, DIRECT_MAX = 64 * 1024 * 1024 };

/* How many of ${len} bytes from the present offset on are contiguous in the file; go past them. */
static size_t
reader_content_advance(struct reader *r, size_t len)
{
	const struct member_extent *x;
	int64_t rest;

	if (!r->member.sparse) {
		r->offset += (int64_t)len;
		return len;
	}
	x = &r->member.extents[r->extent];
	rest = x->offset + x->len - r->offset;
	if ((int64_t)len < rest) {
		r->offset += (int64_t)len;
		return len;
	}
	if (++r->extent < r->member.extent_count)
		r->offset = r->member.extents[r->extent].offset;
	return (size_t)rest;
}

int
reader_block(struct reader *r, const void **ret_data, size_t *ret_len, int64_t *ret_offset,
	struct err *e)
{
	size_t len;
	int got;

	if (r->state != READER_CONTENT || r->left == 0)
		return 0;
	if ((got = buffered_source_fetch(&r->in, e)) <= 0) {
		r->state = READER_FAILED;
		return got < 0 ? -1 : buffered_source_cut_off(e);
	}
	len = r->in.len - r->in.at;
	if ((int64_t)len > r->left)
		len = (size_t)r->left;
	*ret_offset = r->offset;
	len = reader_content_advance(r, len);
	*ret_data = r->in.data + r->in.at;
	*ret_len = len;
	r->left -= (int64_t)len;
	if (buffered_source_pass(&r->in, len, e) == 0)
		return 1;
	r->state = READER_FAILED;
	return -1;
}

/* Go past ${len} bytes of content without holes. */
static int
reader_content_pass(struct reader *r, int64_t len, struct err *e)
{
	r->offset += len;
	r->left -= len;
	if (buffered_source_take(&r->in, NULL, len, e) == 0)
		return 0;
	r->state = READER_FAILED;
	return -1;
}

/* Have some of what is left done. */
static int
reader_content_ask(
	struct reader *r, const struct reader_file *f, struct reader_part *done, struct err *e)
{
	const int64_t most = r->left < DIRECT_MAX ? r->left : DIRECT_MAX;
	int64_t from = 0, len = 0;
	const int status = r->direct(r->in.source.ctx, f, buffered_source_place(&r->in), most,
		r->offset, &from, &len, e);

	done->from = len > 0 ? r->offset + from : r->member.size; /* not to be asked again */
	done->to = done->from + len;
	return status;
}

int
reader_shorten(struct reader *r, const struct reader_file *f, struct reader_part *done, int64_t *at,
	struct err *e)
{
	int status;

	if (r->direct == NULL || r->state != READER_CONTENT || r->member.sparse)
		return 1;
	for (;;) {
		if (*at >= done->to) {
			if (r->left < DIRECT_MIN)
				return 1;
			if ((status = reader_content_ask(r, f, done, e)) != 1)
				return status;
		}
		if (*at < done->from)
			return 1;
		if (reader_content_pass(r, done->to - *at, e) != 0)
			return -1;
		*at = done->to;
	}
}

static ssize_t
read_content(void *ctx, void *data, size_t size, struct err *e)
{
	struct reader *r = ctx;
	int64_t gap;

	if (r->piece_len == 0) {
		const void *piece = NULL;
		int got = reader_block(r, &piece, &r->piece_len, &r->piece_offset, e);

		if (got < 0)
			return -1;
		if (got == 0) {
			r->piece_len = 0;
			r->piece_offset = r->member.size;
		}
		r->piece = piece;
	}
	gap = r->piece_offset - r->content_at;
	if (gap <= 0 && r->piece_len == 0)
		return 0;
	if (gap > 0) {
		size = (int64_t)size > gap ? (size_t)gap : size;
		memset(data, 0, size);
	} else {
		size = size > r->piece_len ? r->piece_len : size;
		memcpy(data, r->piece, size);
		r->piece += size;
		r->piece_len -= size;
		r->piece_offset += (int64_t)size;
	}
	r->content_at += (int64_t)size;
	return (ssize_t)size;
}

struct source
reader_content(struct reader *r)
{
	return (struct source){.read = read_content, .ctx = r};
}
