#include "archive/tar/buffered_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { BUFFER = 256 * 1024 };

void
buffered_source_init(struct buffered_source *in, struct source source)
{
	*in = (struct buffered_source){.source = source, .data = mem_array(NULL, BUFFER, 1)};
}

void
buffered_source_free(struct buffered_source *in)
{
	free(in->data);
}

int
buffered_source_fetch(struct buffered_source *in, struct err *e)
{
	ssize_t got;

	if (in->at < in->len)
		return 1;
	if (in->ended)
		return 0;
	if ((got = source_read(&in->source, in->data, BUFFER, e)) < 0)
		return -1;
	in->ended = got == 0;
	in->at = 0;
	in->len = (size_t)got;
	in->fetched += got;
	return got > 0;
}

int
buffered_source_cut_off(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "the archive ends too early: its end marker is missing");
}

int64_t
buffered_source_place(const struct buffered_source *in)
{
	return in->fetched - (int64_t)(in->len - in->at);
}

/* All that was fetched has been gone past: leave out the next ${len} bytes. */
static int
buffered_source_leave_out(struct buffered_source *in, int64_t len, struct err *e)
{
	in->fetched += len;
	return in->skip(in->source.ctx, len, e);
}

int
buffered_source_pass(struct buffered_source *in, size_t len, struct err *e)
{
	const char *from = in->data + in->at;

	in->at += len;
	return in->tap.write == NULL || len == 0 ? 0 : sink_write(&in->tap, from, len, e);
}

int
buffered_source_take(struct buffered_source *in, struct buf *out, int64_t len, struct err *e)
{
	while (len > 0) {
		size_t have;
		int got;

		if (out == NULL && in->skip != NULL && in->at == in->len)
			return buffered_source_leave_out(in, len, e);
		got = buffered_source_fetch(in, e);

		if (got <= 0)
			return got < 0 ? -1 : buffered_source_cut_off(e);
		have = in->len - in->at;
		if ((int64_t)have > len)
			have = (size_t)len;
		if (out != NULL && buf_add(out, in->data + in->at, have) != 0)
			return err_set(e, ERR_CORRUPT, "a header of the archive is too large");
		if (buffered_source_pass(in, have, e) != 0)
			return -1;
		len -= (int64_t)have;
	}
	return 0;
}

bool
buffered_source_is_zero(const void *data, size_t len)
{
	const unsigned char *p = data;

	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

int
buffered_source_only_zeros(struct buffered_source *in, int64_t max, struct err *e)
{
	int got;

	while ((got = buffered_source_fetch(in, e)) > 0) {
		const size_t len = in->len - in->at;

		if ((int64_t)len > max || !buffered_source_is_zero(in->data + in->at, len))
			return 0;
		max -= (int64_t)len;
		if (buffered_source_pass(in, len, e) != 0)
			return -1;
	}
	return got < 0 ? -1 : 1;
}
