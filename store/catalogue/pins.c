#include "store/catalogue/pins.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PAGE_BITS = 1 << 15, WORD_BITS = 64 };

static uint64_t *
page_of(struct pins *p, uint64_t number)
{
	const size_t page = (size_t)(number / PAGE_BITS);

	if (page >= p->count) {
		const size_t count = page + 1 > p->count * 2 ? page + 1 : p->count * 2;
		p->pages = mem_array(p->pages, count, sizeof(*p->pages));
		memset(p->pages + p->count, 0, (count - p->count) * sizeof(*p->pages));
		p->count = count;
	}
	if (p->pages[page] == NULL)
		p->pages[page] = mem_new(PAGE_BITS / 8);
	return p->pages[page];
}

void
pins_add(struct pins *p, uint64_t first, uint64_t count)
{
	const uint64_t end = first + count;

	for (uint64_t n = first; n < end;) {
		const uint64_t bit = n % WORD_BITS;
		const uint64_t room = WORD_BITS - bit;
		const uint64_t len = end - n < room ? end - n : room;
		const uint64_t ones = len == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << len) - 1;
		page_of(p, n)[n % PAGE_BITS / WORD_BITS] |= ones << bit;
		n += len;
	}
}

void
pins_merge(struct pins *p, const struct pins *other)
{
	for (size_t page = 0; page < other->count; page++) {
		if (other->pages[page] == NULL)
			continue;
		uint64_t *to = page_of(p, page * (uint64_t)PAGE_BITS);
		for (size_t word = 0; word < PAGE_BITS / WORD_BITS; word++)
			to[word] |= other->pages[page][word];
	}
}

bool
pins_has(const struct pins *p, uint64_t number)
{
	const uint64_t page = number / PAGE_BITS;

	if (page >= p->count || p->pages[page] == NULL)
		return false;
	return (p->pages[page][number % PAGE_BITS / WORD_BITS] >> (number % WORD_BITS) & 1) != 0;
}

void
pins_free(struct pins *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->pages[i]);
	free(p->pages);
	*p = (struct pins){0};
}
