#include "store/write/overlay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/read/check.h"
#include "store/read/row_window.h"
#include "store/write/session.h"

struct laying {
	struct ingest *in;
	const struct overlay *o;
	struct recipe *to;
	size_t next;	     /* the first piece that does not end before ${at} */
	int64_t at;	     /* in the stream */
	unsigned char *data; /* CHUNK_MAX bytes */
	unsigned char *piece;
	size_t piece_read; /* plus one; 0: none */
	struct check check;
};

/* The bytes of the base that were used again have all been told: what was written ends here. */
static int
overlay_end_stream(struct laying *l, struct err *e)
{
	return l->in->streaming ? ingest_end(l->in, l->to, e) : 0;
}

static int
overlay_put(struct laying *l, size_t len, struct err *e)
{
	if (l->o->step(l->o->ctx, len, e) != 0)
		return -1;
	if (!l->in->streaming)
		ingest_begin(l->in, l->o->cut);
	l->at += (int64_t)len;
	return ingest_write(l->in, l->data, len, e);
}

static void
pass_pieces(struct laying *l)
{
	const struct overlay *o = l->o;

	while (l->next < o->count &&
		o->pieces[l->next].offset + (int64_t)o->pieces[l->next].len <= l->at)
		l->next++;
}

/* Whether pieces cover all of the ${len} bytes from ${l->at} on. */
static bool
overlay_covered(const struct laying *l, size_t len)
{
	const struct overlay *o = l->o;
	int64_t at = l->at;

	for (size_t i = l->next; i < o->count && o->pieces[i].offset <= at; i++)
		at = o->pieces[i].offset + (int64_t)o->pieces[i].len;
	return at >= l->at + (int64_t)len;
}

/* Lay the piece ${i} over the ${len} bytes at ${l->at}, which stand in ${l->data}. */
static int
lay(struct laying *l, size_t i, size_t len, struct err *e)
{
	const struct overlay_piece *p = &l->o->pieces[i];
	const int64_t from = p->offset > l->at ? p->offset : l->at;
	const int64_t piece_end = p->offset + (int64_t)p->len, end = l->at + (int64_t)len;
	const int64_t to = piece_end < end ? piece_end : end;

	/* A piece may reach over the end of a chunk. */
	if (l->piece_read != i + 1 && l->o->read(l->o->ctx, i, l->piece, e) != 0)
		return -1;
	l->piece_read = i + 1;
	memcpy(l->data + (from - l->at), l->piece + (from - p->offset), (size_t)(to - from));
	return 0;
}

/* Put the ${len} bytes in ${l->data} with the pieces over them. */
static int
lay_and_put(struct laying *l, size_t len, struct err *e)
{
	const int64_t end = l->at + (int64_t)len;

	for (size_t i = l->next; i < l->o->count && l->o->pieces[i].offset < end; i++)
		if (lay(l, i, len, e) != 0)
			return -1;
	return overlay_put(l, len, e);
}

static int
read_base(struct laying *l, const struct chunk *c, size_t len, struct err *e)
{
	const void *plain = NULL;

	if (check_chunk(&l->check, c, &plain, e) != CHECK_WHOLE)
		return err_prefix(e, "a chunk of this backup cannot be read back");
	memcpy(l->data, plain, len);
	return 0;
}

/* One chunk of the base. */
static int
chunk_lay(struct laying *l, const struct chunk *c, struct err *e)
{
	const int64_t left = l->o->size - l->at;
	const size_t len = left < (int64_t)c->plain_len ? (size_t)left : c->plain_len;

	pass_pieces(l);
	const bool touched =
		l->next < l->o->count && l->o->pieces[l->next].offset < l->at + (int64_t)len;

	if (!touched && len == c->plain_len) {
		if (overlay_end_stream(l, e) != 0)
			return -1;
		recipe_add(l->to, c->number);
		l->in->plain_bytes += (int64_t)len;
		l->at += (int64_t)len;
		return 0;
	}
	if (!overlay_covered(l, len) && read_base(l, c, len, e) != 0)
		return -1;
	return lay_and_put(l, len, e);
}

static int
lay_base(struct laying *l, struct err *e)
{
	SCOPED(row_window_free) struct row_window window = {0};

	row_window_init(&window, l->in->store->catalogue, l->o->base);
	for (uint64_t i = 0; i < window.chunks && l->at < l->o->size; i++) {
		const struct chunk *row = row_window_row(&window, i, e);

		if (row == NULL)
			return -1;
		const struct chunk c = *row;

		if (chunk_lay(l, &c, e) != 0)
			return -1;
	}
	return 0;
}

/* What the base does not reach. */
static int
lay_rest(struct laying *l, struct err *e)
{
	while (l->at < l->o->size) {
		const int64_t left = l->o->size - l->at;
		const size_t len = left < CHUNK_MAX ? (size_t)left : CHUNK_MAX;

		pass_pieces(l);
		if (!overlay_covered(l, len))
			return err_set(e, ERR_INTERNAL, "a file has a part that nobody has read");
		if (lay_and_put(l, len, e) != 0)
			return -1;
	}
	return 0;
}

int
ingest_overlay(struct ingest *in, const struct overlay *o, struct recipe *to, struct err *e)
{
	SCOPED(free_at) unsigned char *data = mem_array(NULL, CHUNK_MAX, 1);
	SCOPED(free_at) unsigned char *piece = mem_array(NULL, OVERLAY_PIECE_MAX, 1);
	struct laying l = {.in = in, .o = o, .to = to, .data = data, .piece = piece};
	int status;

	assert(!in->streaming);
	check_init(&l.check, in->store);
	status = lay_base(&l, e) == 0 && lay_rest(&l, e) == 0 ? overlay_end_stream(&l, e) : -1;
	check_close(&l.check);
	if (status != 0)
		ingest_drop(in);
	return status;
}
