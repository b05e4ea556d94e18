#include "archive/write/recut.h"

#include <stdlib.h>

#include "archive/tar/pax.h"
#include "archive/write/cuts.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/write/ingest.h"

/* A member's headers (pax, long names, map) and content below 64 KiB, behind a run. */
enum { RUN_ROOM = CHUNK_MAX + 2 * PAX_TEXT_MAX + HEADER_MAP_MAX };

struct recut {
	struct recut_sink sink;
	struct buf run;	  /* not yet handed on */
	int64_t length;	  /* of the run, by cuts_bytes */
	bool directories; /* the run is of directories */
	bool own; /* the present member's bytes go to a segment of its own, which is begun */
};

struct recut *
recut_new(const struct recut_sink *sink)
{
	struct recut *r = mem_new(sizeof(*r));

	r->sink = *sink;
	r->run = (struct buf)BUF_INIT(RUN_ROOM);
	return r;
}

void
recut_free_at(struct recut **r)
{
	if (*r == NULL)
		return;
	buf_free(&(*r)->run);
	free(*r);
}

/* Hand on the run. */
static int
flush(struct recut *r, struct err *e)
{
	const struct recut_sink *s = &r->sink;
	int status = 0;

	if (r->run.len > 0 &&
		(s->begin(s->ctx, SEGMENT_RUN, r->run.len <= CHUNK_MAX, e) != 0 ||
			s->data(s->ctx, r->run.data, r->run.len, e) != 0 || s->end(s->ctx, e) != 0))
		status = -1;
	buf_clear(&r->run);
	r->length = 0;
	return status;
}

/* The segment of the member before. */
static int
end_own(struct recut *r, struct err *e)
{
	if (!r->own)
		return 0;
	r->own = false;
	return r->sink.end(r->sink.ctx, e);
}

static int
begin_own(struct recut *r, enum segment_kind kind, struct err *e)
{
	if (flush(r, e) != 0)
		return -1;
	r->own = true;
	return r->sink.begin(r->sink.ctx, kind, false, e);
}

/* Put a header at the end of the run; cut before it where that is due. */
static int
add_to_run(struct recut *r, const struct member *m, const void *header, size_t len, int64_t content,
	struct err *e)
{
	const bool directory = m->type == MEMBER_DIR;
	const int64_t bytes = cuts_bytes(m->path, m->link, content);
	const bool full = r->run.len + len + (size_t)cuts_whole_blocks(content) > CHUNK_MAX;

	if ((full || directory != r->directories || cuts_before(r->length, m->path, bytes)) &&
		flush(r, e) != 0)
		return -1;
	r->directories = directory;
	r->length += bytes;
	return buf_add(&r->run, header, len) == 0
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "%.200s: its headers are too large", m->path);
}

int
recut_member(struct recut *r, const struct member *m, const void *header, size_t len, struct err *e)
{
	enum segment_kind kind = SEGMENT_RUN;

	if (end_own(r, e) != 0)
		return -1;
	if (m->type == MEMBER_FILE)
		kind = cuts_kind(m->path, m->size, m->sparse);
	if (kind == SEGMENT_SPARSE)
		return begin_own(r, kind, e) != 0 ? -1 : r->sink.data(r->sink.ctx, header, len, e);
	if (add_to_run(r, m, header, len, kind == SEGMENT_RUN ? m->size : 0, e) != 0)
		return -1;
	return kind == SEGMENT_RUN ? 0 : begin_own(r, kind, e);
}

int
recut_data(struct recut *r, const void *data, size_t len, struct err *e)
{
	if (r->own)
		return r->sink.data(r->sink.ctx, data, len, e);
	return buf_add(&r->run, data, len) == 0
		       ? 0
		       : err_set(e, ERR_INTERNAL, "the buffer of a run is full");
}

int
recut_end(struct recut *r, struct err *e)
{
	r->directories = false;
	return end_own(r, e) != 0 ? -1 : flush(r, e);
}
