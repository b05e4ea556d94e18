#ifndef STORE_KEYS_KEYMAP_H
#define STORE_KEYS_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Finds the element of an array by its 32-byte key.  The array is the caller's: its first element's
 * key stands at ${keys}, the next ${stride} bytes behind.  Keys are hashes; the newest of equal
 * ones is found.  A plain value, zero when empty; not thread-safe.
 */
struct keymap {
	uint32_t *slots; /* index + 1, or 0; open addressing */
	size_t size;	 /* 0 or a power of two, at least twice ${count} */
	size_t count;
};

enum { KEYMAP_KEY = 32 };
static const size_t KEYMAP_NONE = SIZE_MAX;

size_t keymap_find(const struct keymap *m, const void *key, const void *keys, size_t stride);
void keymap_add(struct keymap *m, size_t index, const void *keys, size_t stride);
void keymap_clear(struct keymap *m);
void keymap_free(struct keymap *m);

#endif
