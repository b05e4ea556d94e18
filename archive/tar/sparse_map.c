#include "archive/tar/sparse_map.h"

#include "archive/tar/header.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

struct sparse_map {
	struct buffered_source *in;
	struct buf text;
	size_t at;
	int64_t *left;
};

/* One decimal number and a newline; blocks are read as needed. */
static int
sparse_map_number(struct sparse_map *m, int64_t *ret_number, struct err *e)
{
	int64_t n = 0;
	size_t digits = 0;

	while (true) {
		char c;

		if (m->at == m->text.len) {
			if (*m->left < MEMBER_BLOCK_SIZE)
				return err_set(e, ERR_CORRUPT, "a sparse map ends too early");
			if (buffered_source_take(m->in, &m->text, MEMBER_BLOCK_SIZE, e) != 0)
				return -1;
			*m->left -= MEMBER_BLOCK_SIZE;
		}
		c = m->text.data[m->at++];
		if (c == '\n' && digits > 0)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return err_set(e, ERR_CORRUPT, "a sparse map has a bad number");
		n = 10 * n + (c - '0');
	}
	*ret_number = n;
	return 0;
}

static int
extents_read(struct sparse_map *m, int64_t size, int64_t count, struct member_extent *list,
	size_t *ret_count, struct err *e)
{
	int64_t end = 0, sum = 0;

	*ret_count = 0;
	for (int64_t i = 0; i < count; i++) {
		struct member_extent x;

		if (sparse_map_number(m, &x.offset, e) != 0 || sparse_map_number(m, &x.len, e) != 0)
			return -1;
		if (x.offset < end || x.len > size - x.offset)
			return err_set(e, ERR_CORRUPT, "a sparse map is out of order");
		end = x.offset + x.len;
		sum += x.len;
		if (x.len > 0)
			list[(*ret_count)++] = x;
	}
	return sum == *m->left ? 0
			       : err_set(e, ERR_CORRUPT, "a sparse map does not fit its content");
}

int
sparse_map_read(struct buffered_source *in, int64_t size, int64_t *left,
	struct member_extent **extents, size_t *ret_count, struct err *e)
{
	struct sparse_map m = {.in = in, .text = BUF_INIT(HEADER_MAP_MAX), .left = left};
	int64_t count;
	int status = sparse_map_number(&m, &count, e);

	if (status == 0 && count > HEADER_EXTENTS_MAX + 1)
		status = err_set(e, ERR_CORRUPT, "a sparse map has too many extents");
	if (status == 0) {
		*extents = mem_array(*extents, (size_t)count + 1, sizeof(**extents));
		status = extents_read(&m, size, count, *extents, ret_count, e);
	}
	buf_free(&m.text);
	return status;
}
