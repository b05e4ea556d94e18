#include "store/pins.h"

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
	for (uint64_t n = first; n < first + count; n++)
		page_of(p, n)[n % PAGE_BITS / WORD_BITS] |= UINT64_C(1) << (n % WORD_BITS);
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
