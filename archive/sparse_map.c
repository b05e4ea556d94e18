#include "archive/sparse_map.h"

#include "archive/header.h"
#include "base/mem.h"
#include "base/scope.h"

struct map {
	struct intake *in;
	int64_t *left;
	struct buf text;
	size_t at;
};

static void
map_free(struct map *map)
{
	buf_free(&map->text);
}

/* One decimal number and a newline, whose blocks are read as needed. */
static int
number(struct map *map, int64_t *ret_number, struct err *e)
{
	int64_t n = 0;
	size_t digits = 0;

	while (true) {
		char c;

		if (map->at == map->text.len) {
			if (*map->left < MEMBER_BLOCK_SIZE)
				return err_set(e, ERR_CORRUPT, "a sparse map ends too early");
			if (intake_take(map->in, &map->text, MEMBER_BLOCK_SIZE, e) != 0)
				return -1;
			*map->left -= MEMBER_BLOCK_SIZE;
		}
		c = map->text.data[map->at++];
		if (c == '\n' && digits > 0)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return err_set(e, ERR_CORRUPT, "a sparse map has a bad number");
		n = 10 * n + (c - '0');
	}
	*ret_number = n;
	return 0;
}

int
sparse_map_read(struct intake *in, int64_t *left, struct member *m, struct member_extent **extents,
	struct err *e)
{
	SCOPED(map_free)
	struct map map = {.in = in, .left = left, .text = BUF_INIT(HEADER_MAP_MAX)};
	int64_t count, end = 0, sum = 0;

	if (number(&map, &count, e) != 0)
		return -1;
	if (count > HEADER_EXTENTS_MAX + 1)
		return err_set(e, ERR_CORRUPT, "a sparse map has too many extents");
	*extents = mem_array(*extents, (size_t)count + 1, sizeof(**extents));
	for (int64_t i = 0; i < count; i++) {
		struct member_extent x;

		if (number(&map, &x.offset, e) != 0 || number(&map, &x.len, e) != 0)
			return -1;
		if (x.offset < end || x.len > m->size - x.offset)
			return err_set(e, ERR_CORRUPT, "a sparse map is out of order");
		end = x.offset + x.len;
		sum += x.len;
		if (x.len > 0)
			(*extents)[m->extent_count++] = x;
	}
	if (sum != *left)
		return err_set(e, ERR_CORRUPT, "a sparse map does not fit its content");
	m->extents = *extents;
	return 0;
}
