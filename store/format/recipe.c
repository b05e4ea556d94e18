#include "store/format/recipe.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* A 64-bit number is at most ten groups of seven bits. */
enum { LEB_MAX = 10 };

static void
add_run(struct recipe *r, uint64_t first, uint64_t count)
{
	if (count == 0)
		return;
	if (r->count > 0) {
		struct recipe_run *last = &r->runs[r->count - 1];
		if (last->first + last->count == first) {
			last->count += count;
			return;
		}
	}
	if (r->count == r->room) {
		r->room = r->room == 0 ? 16 : r->room * 2;
		r->runs = mem_array(r->runs, r->room, sizeof(*r->runs));
	}
	r->runs[r->count++] = (struct recipe_run){first, count};
}

void
recipe_add(struct recipe *r, uint64_t number)
{
	add_run(r, number, 1);
}

void
recipe_add_all(struct recipe *r, const struct recipe *other)
{
	const size_t count = other->count; /* ${other} may be ${r} */

	for (size_t i = 0; i < count; i++)
		add_run(r, other->runs[i].first, other->runs[i].count);
}

void
recipe_clear(struct recipe *r)
{
	r->count = 0;
}

void
recipe_free(struct recipe *r)
{
	free(r->runs);
	*r = (struct recipe)RECIPE_INIT;
}

uint64_t
recipe_chunks(const struct recipe *r)
{
	uint64_t chunks = 0;

	for (size_t i = 0; i < r->count; i++)
		chunks += r->runs[i].count;
	return chunks;
}

bool
recipe_equal(const struct recipe *a, const struct recipe *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->runs[i].first != b->runs[i].first || a->runs[i].count != b->runs[i].count)
			return false;
	return true;
}

void
recipe_add_part(struct recipe *to, const struct recipe *r, struct recipe_cursor *c, uint64_t first,
	uint64_t count)
{
	while (count > 0) {
		const struct recipe_run *run = &r->runs[c->run];
		const uint64_t skip = first - c->before;

		assert(c->run < r->count && first >= c->before);
		if (skip >= run->count) {
			c->before += run->count;
			c->run++;
			continue;
		}
		const uint64_t take = run->count - skip < count ? run->count - skip : count;
		add_run(to, run->first + skip, take);
		first += take;
		count -= take;
	}
}

static size_t
leb_put(unsigned char *to, uint64_t value)
{
	size_t len = 0;

	while (value > 0x7F) {
		to[len++] = (unsigned char)(value | 0x80);
		value >>= 7;
	}
	to[len++] = (unsigned char)value;
	return len;
}

/* Take one number off the front; false if it is cut off, too long or not the shortest form. */
static bool
leb_get(const unsigned char **from, const unsigned char *end, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < LEB_MAX && *from < end; i++) {
		const uint64_t group = **from & 0x7F;
		const bool last = (**from & 0x80) == 0;
		(*from)++;
		if ((i == LEB_MAX - 1 && group > 1) || (last && group == 0 && i > 0))
			return false;
		value |= group << (7 * i);
		if (last) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

void *
recipe_encode(const struct recipe *r, size_t *ret_len)
{
	unsigned char *data = mem_new(r->count * 2 * LEB_MAX + 1);
	uint64_t end = 0;
	size_t len = 0;

	for (size_t i = 0; i < r->count; i++) {
		const uint64_t step = r->runs[i].first - end; /* modulo 2^64: two's complement */
		const uint64_t sign = (step >> 63) != 0 ? UINT64_MAX : 0;
		len += leb_put(data + len, (step << 1) ^ sign);
		len += leb_put(data + len, r->runs[i].count);
		end = r->runs[i].first + r->runs[i].count;
	}
	*ret_len = len;
	return mem_array(data, len, 1); /* most numbers are short */
}

static int
decode(const unsigned char *from, const unsigned char *end, struct recipe *r, struct err *e)
{
	uint64_t at = 0;
	uint64_t chunks = 0; /* so that recipe_chunks never overflows */

	while (from < end) {
		uint64_t zigzag = 0;
		uint64_t count = 0;
		if (!leb_get(&from, end, &zigzag) || !leb_get(&from, end, &count))
			return err_set(e, ERR_CORRUPT, "a recipe ends within a number");
		const uint64_t size = (zigzag >> 1) + (zigzag & 1); /* of the step */
		const bool back = (zigzag & 1) != 0;
		if (count == 0 || (back && size > at) || (!back && size > UINT64_MAX - at))
			return err_set(e, ERR_CORRUPT, "a recipe has an impossible run");
		const uint64_t first = back ? at - size : at + size;
		if (count > UINT64_MAX - first || count > UINT64_MAX - chunks)
			return err_set(e, ERR_CORRUPT, "a recipe has an endless run");
		add_run(r, first, count);
		chunks += count;
		at = first + count;
	}
	return 0;
}

int
recipe_decode(const void *data, size_t len, struct recipe *ret_recipe, struct err *e)
{
	struct recipe r = RECIPE_INIT;

	if (decode(data, (const unsigned char *)data + len, &r, e) != 0) {
		recipe_free(&r);
		return -1;
	}
	*ret_recipe = r;
	return 0;
}
