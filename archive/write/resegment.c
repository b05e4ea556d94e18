#include "archive/write/resegment.h"

#include <stdlib.h>

#include "archive/tar/pax.h"
#include "archive/write/segment_rules.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/write/ingest.h"

/* A member's headers (pax, long names, map) and content below 64 KiB, behind a run. */
enum { RUN_ROOM = CHUNK_MAX + 2 * PAX_TEXT_MAX + HEADER_MAP_MAX };

struct resegment {
	struct resegment_sink sink;
	struct buf run;	  /* not yet handed on */
	int64_t length;	  /* of the run, by segment_rules_bytes */
	bool directories; /* the run is of directories */
	bool own; /* the present member's bytes go to a segment of its own, which is begun */
};

struct resegment *
resegment_new(const struct resegment_sink *sink)
{
	struct resegment *r = mem_new(sizeof(*r));

	r->sink = *sink;
	r->run = (struct buf)BUF_INIT(RUN_ROOM);
	return r;
}

void
resegment_free_at(struct resegment **r)
{
	if (*r == NULL)
		return;
	buf_free(&(*r)->run);
	free(*r);
}

/* Hand on the run. */
static int
resegment_flush(struct resegment *r, struct err *e)
{
	const struct resegment_sink *s = &r->sink;
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
end_own(struct resegment *r, struct err *e)
{
	if (!r->own)
		return 0;
	r->own = false;
	return r->sink.end(r->sink.ctx, e);
}

static int
begin_own(struct resegment *r, enum segment_kind kind, struct err *e)
{
	if (resegment_flush(r, e) != 0)
		return -1;
	r->own = true;
	return r->sink.begin(r->sink.ctx, kind, false, e);
}

/* Put a header at the end of the run; cut before it where that is due. */
static int
resegment_add_to_run(struct resegment *r, const struct member *m, const void *header, size_t len,
	int64_t content, struct err *e)
{
	const bool directory = m->type == MEMBER_DIR;
	const int64_t bytes = segment_rules_bytes(m->path, m->link, content);
	const bool full =
		r->run.len + len + (size_t)segment_rules_whole_blocks(content) > CHUNK_MAX;

	if ((full || directory != r->directories ||
		    segment_rules_before(r->length, m->path, bytes)) &&
		resegment_flush(r, e) != 0)
		return -1;
	r->directories = directory;
	r->length += bytes;
	return buf_add(&r->run, header, len) == 0
		       ? 0
		       : err_set(e, ERR_TOO_LARGE, "%.200s: its headers are too large", m->path);
}

int
resegment_member(
	struct resegment *r, const struct member *m, const void *header, size_t len, struct err *e)
{
	enum segment_kind kind = SEGMENT_RUN;

	if (end_own(r, e) != 0)
		return -1;
	if (m->type == MEMBER_FILE)
		kind = segment_rules_kind(m->path, m->size, m->sparse);
	if (kind == SEGMENT_SPARSE)
		return begin_own(r, kind, e) != 0 ? -1 : r->sink.data(r->sink.ctx, header, len, e);
	if (resegment_add_to_run(r, m, header, len, kind == SEGMENT_RUN ? m->size : 0, e) != 0)
		return -1;
	return kind == SEGMENT_RUN ? 0 : begin_own(r, kind, e);
}

int
resegment_data(struct resegment *r, const void *data, size_t len, struct err *e)
{
	if (r->own)
		return r->sink.data(r->sink.ctx, data, len, e);
	return buf_add(&r->run, data, len) == 0
		       ? 0
		       : err_set(e, ERR_INTERNAL, "the buffer of a run is full");
}

int
resegment_end(struct resegment *r, struct err *e)
{
	r->directories = false;
	return end_own(r, e) != 0 ? -1 : resegment_flush(r, e);
}
