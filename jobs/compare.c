#include "jobs/compare.h"

#include "store/ingest.h"

int
compare_begin(struct compare *c, const struct bases *bases, const struct base *base,
	struct spool *spool, struct err *e)
{
	c->bases = bases;
	c->base = base;
	c->spool = spool;
	c->next = 0;
	c->same = (struct spool_same){0};
	c->marks_count = 0;
	c->part.max = CHUNK_MAX;
	buf_clear(&c->part);
	return base == NULL ? 0 : spool_put(spool, SPOOL_BASE, 0, &base, sizeof(base), e);
}

static int
tell_same(struct compare *c, struct err *e)
{
	const struct spool_same same = c->same;

	c->same.count = 0;
	return same.count == 0 ? 0 : spool_put(c->spool, SPOOL_SAME, 0, &same, sizeof(same), e);
}

static int
copy(struct compare *c, const void *data, size_t len, struct err *e)
{
	if (len == 0)
		return 0;
	if (tell_same(c, e) != 0)
		return -1;
	c->copied += (int64_t)len;
	return spool_put(c->spool, SPOOL_DATA, 0, data, len, e);
}

/* The mark of the chunk that is due; NULL behind the last one. */
static const struct mark *
due(struct compare *c)
{
	if (c->base == NULL)
		return NULL;
	if (c->next - c->marks_first >= c->marks_count) {
		c->marks_first = c->next;
		c->marks_count = bases_marks(c->bases, c->base, c->next, c->marks, COMPARE_MARKS);
	}
	return c->marks_count == 0 ? NULL : &c->marks[c->next - c->marks_first];
}

/* The whole chunk that was due. */
static int
judge(struct compare *c, const void *data, const struct mark *expected, struct err *e)
{
	const struct mark found = mark_of(data, expected->len);
	const uint64_t number = c->next++;

	if (!mark_equal(&found, expected))
		return copy(c, data, expected->len, e);
	if (c->same.count == 0)
		c->same.first = number;
	c->same.count++;
	return 0;
}

int
compare_data(struct compare *c, const void *data, size_t len, struct err *e)
{
	const char *at = data;

	while (len > 0) {
		const struct mark *mark = due(c);
		const size_t want = mark == NULL ? len : mark->len - c->part.len;
		const size_t take = want < len ? want : len;
		int status;

		if (mark == NULL) {
			status = copy(c, at, take, e);
		} else if (c->part.len == 0 && take == want) {
			status = judge(c, at, mark, e);
		} else {
			status = buf_add(&c->part, at, take) == 0
					 ? 0
					 : err_set(e, ERR_INTERNAL, "a chunk is too long");
			if (status == 0 && take == want) {
				status = judge(c, c->part.data, mark, e);
				buf_clear(&c->part);
			}
		}
		if (status != 0)
			return -1;
		at += take;
		len -= take;
	}
	return 0;
}

int
compare_end(struct compare *c, struct err *e)
{
	if (copy(c, c->part.data, c->part.len, e) != 0)
		return -1;
	buf_clear(&c->part);
	return tell_same(c, e);
}

void
compare_clear(struct compare *c)
{
	buf_free(&c->part);
}
