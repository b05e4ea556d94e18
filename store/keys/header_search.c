#include "store/keys/header_search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

struct beacon {
	uint64_t bytes;
	uint32_t index; /* + 1; 0: free */
};

struct header_search {
	uint32_t first;
	size_t size; /* a power of two, at least twice the count: open addressing */
	struct beacon *table;
};

/* They are as good as random already. */
static size_t
header_search_slot_of(const struct header_search *b, uint64_t bytes)
{
	size_t at = (size_t)bytes & (b->size - 1);

	while (b->table[at].index != 0 && b->table[at].bytes != bytes)
		at = (at + 1) & (b->size - 1);
	return at;
}

struct header_search *
header_search_new(struct seal *s, uint32_t first, size_t count)
{
	struct header_search *b = mem_new(sizeof(*b));
	SCOPED(free_at) unsigned char *all = mem_array(NULL, count + 1, SEAL_BEACON);

	assert(count <= HEADER_SEARCH_MAX);
	b->first = first;
	for (b->size = 2; b->size < 2 * count;)
		b->size *= 2;
	b->table = mem_new(b->size * sizeof(*b->table));
	seal_beacons(s, first, count, all);
	for (size_t i = 0; i < count; i++) {
		uint64_t bytes;
		memcpy(&bytes, all + i * SEAL_BEACON, sizeof(bytes));
		b->table[header_search_slot_of(b, bytes)] = (struct beacon){bytes, (uint32_t)i + 1};
	}
	return b;
}

void
header_search_free_at(struct header_search **b)
{
	if (*b == NULL)
		return;
	free((*b)->table);
	free(*b);
}

bool
header_search_find(const struct header_search *b, const unsigned char *bytes, uint32_t *ret_ordinal)
{
	uint64_t wanted;

	memcpy(&wanted, bytes, sizeof(wanted));
	const struct beacon *found = &b->table[header_search_slot_of(b, wanted)];
	if (found->index == 0)
		return false;
	*ret_ordinal = b->first + found->index - 1;
	return true;
}
