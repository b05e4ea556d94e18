#include "archive/restore/member_index.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ROOM = 256 };

void
member_index_free(struct member_index *l)
{
	free(l->entries);
	free(l->slots);
	*l = (struct member_index){0};
}

static void
member_index_key_of(const char *path, size_t len, unsigned char key[16])
{
	unsigned char digest[32];

	(void)EVP_Digest(path, len, digest, NULL, EVP_sha256(), NULL);
	memcpy(key, digest, 16);
}

/* The slot of ${key}, or the free one where it would be. */
static uint32_t *
member_index_slot_of(const struct member_index *l, const unsigned char key[16])
{
	uint32_t at;

	memcpy(&at, key, sizeof(at));
	for (;; at++) {
		uint32_t *slot = &l->slots[at & (l->slot_count - 1)];

		if (*slot == 0 || memcmp(l->entries[*slot - 1].key, key, 16) == 0)
			return slot;
	}
}

uint32_t
member_index_find(const struct member_index *l, const char *path, size_t len)
{
	unsigned char key[16];

	if (l->slot_count == 0)
		return MEMBER_INDEX_NONE;
	member_index_key_of(path, len, key);
	const uint32_t *slot = member_index_slot_of(l, key);

	return *slot == 0 ? MEMBER_INDEX_NONE : *slot - 1;
}

static void
member_index_grow(struct member_index *l)
{
	l->room = l->room == 0 ? FIRST_ROOM : 2 * l->room;
	l->entries = mem_array(l->entries, l->room, sizeof(*l->entries));
	free(l->slots);
	l->slot_count = 2 * l->room;
	l->slots = mem_new(l->slot_count * sizeof(*l->slots));
	for (uint32_t i = 0; i < l->count; i++)
		*member_index_slot_of(l, l->entries[i].key) = i + 1;
}

uint32_t
member_index_put(struct member_index *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct member_index_entry new = {.link = MEMBER_INDEX_NONE, .parent = MEMBER_INDEX_NONE};
	uint32_t *slot;

	if (l->count == l->room)
		member_index_grow(l);
	member_index_key_of(path, strlen(path), new.key);
	slot = member_index_slot_of(l, new.key);
	if (*slot != 0)
		return *slot - 1;
	if (l->count == MEMBER_INDEX_MAX)
		return MEMBER_INDEX_NONE;
	if (path[0] != '\0')
		new.parent = member_index_find(l, path, slash == NULL ? 0 : (size_t)(slash - path));
	slot = member_index_slot_of(l, new.key);
	l->entries[l->count] = new;
	*slot = ++l->count;
	return l->count - 1;
}

static bool
stays(const struct member_index *l, uint32_t number)
{
	return number != MEMBER_INDEX_NONE && (l->entries[number].flags & MEMBER_INDEX_STAYS) != 0;
}

/* Whether ${x} is as opaque in the tree as in the archive. */
static bool
same_veil(const struct member_index_entry *x)
{
	return ((x->flags & MEMBER_INDEX_OPAQUE) != 0) == ((x->flags & MEMBER_INDEX_VEILED) != 0);
}

static void
set_stays(struct member_index_entry *x, bool now)
{
	const bool before = (x->flags & MEMBER_INDEX_STAYS) != 0;

	x->flags &= ~(uint32_t)MEMBER_INDEX_STAYS;
	x->flags |= (now ? MEMBER_INDEX_STAYS : 0U) | (before && !now ? MEMBER_INDEX_LOST : 0U);
}

void
member_index_settle(struct member_index *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct member_index_entry *x = &l->entries[i];
		const bool whole = x->parent == MEMBER_INDEX_NONE ? i == 0 : stays(l, x->parent);
		const bool linked = x->link == MEMBER_INDEX_NONE || stays(l, x->link);
		const bool held = (x->flags & MEMBER_INDEX_HELD) != 0;

		assert(x->parent == MEMBER_INDEX_NONE || x->parent < i);
		if (!linked && !held)
			x->flags &= ~(uint32_t)MEMBER_INDEX_EQUAL;
		if ((x->flags & (MEMBER_INDEX_DIR | MEMBER_INDEX_HELD | MEMBER_INDEX_ABOVE)) ==
				MEMBER_INDEX_DIR &&
			!same_veil(x) && i != 0)
			x->flags &= ~(uint32_t)MEMBER_INDEX_EQUAL;
		set_stays(x, whole && (x->flags & MEMBER_INDEX_EQUAL) != 0);
		if (whole && x->parent != MEMBER_INDEX_NONE && (x->flags & MEMBER_INDEX_STAYS) == 0)
			l->entries[x->parent].flags |= MEMBER_INDEX_DRESS;
	}
}
