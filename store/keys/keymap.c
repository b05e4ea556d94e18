#include "store/keys/keymap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const unsigned char *
key_at(const void *keys, size_t stride, size_t index)
{
	return (const unsigned char *)keys + index * stride;
}

/* The slot that holds ${key}, or the free one where it would go. */
static size_t
keymap_slot_of(const struct keymap *m, const void *key, const void *keys, size_t stride)
{
	uint64_t hash;

	memcpy(&hash, key, sizeof(hash));
	size_t slot = (size_t)(hash * 0x9E3779B97F4A7C15 >> 20) & (m->size - 1);
	while (m->slots[slot] != 0 &&
		memcmp(key_at(keys, stride, m->slots[slot] - 1), key, KEYMAP_KEY) != 0)
		slot = (slot + 1) & (m->size - 1);
	return slot;
}

size_t
keymap_find(const struct keymap *m, const void *key, const void *keys, size_t stride)
{
	if (m->count == 0)
		return KEYMAP_NONE;
	const uint32_t found = m->slots[keymap_slot_of(m, key, keys, stride)];
	return found == 0 ? KEYMAP_NONE : found - 1;
}

static void
keymap_grow(struct keymap *m, const void *keys, size_t stride)
{
	struct keymap bigger = {.size = m->size == 0 ? 1024 : m->size * 2, .count = m->count};

	bigger.slots = mem_new(bigger.size * sizeof(*bigger.slots));
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i] == 0)
			continue;
		const unsigned char *key = key_at(keys, stride, m->slots[i] - 1);
		bigger.slots[keymap_slot_of(&bigger, key, keys, stride)] = m->slots[i];
	}
	free(m->slots);
	*m = bigger;
}

void
keymap_add(struct keymap *m, size_t index, const void *keys, size_t stride)
{
	assert(index < UINT32_MAX);
	if ((m->count + 1) * 2 > m->size)
		keymap_grow(m, keys, stride);
	uint32_t *slot = &m->slots[keymap_slot_of(m, key_at(keys, stride, index), keys, stride)];
	if (*slot == 0)
		m->count++;
	*slot = (uint32_t)index + 1;
}

void
keymap_clear(struct keymap *m)
{
	if (m->count > 0)
		memset(m->slots, 0, m->size * sizeof(*m->slots));
	m->count = 0;
}

void
keymap_free(struct keymap *m)
{
	free(m->slots);
	*m = (struct keymap){0};
}
