#include "archive/restore/ledger.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ROOM = 256 };

void
ledger_free(struct ledger *l)
{
	free(l->entries);
	free(l->slots);
	*l = (struct ledger){0};
}

static void
key_of(const char *path, size_t len, unsigned char key[16])
{
	unsigned char digest[32];

	(void)EVP_Digest(path, len, digest, NULL, EVP_sha256(), NULL);
	memcpy(key, digest, 16);
}

/* The slot of ${key}, or the free one where it would be. */
static uint32_t *
slot_of(const struct ledger *l, const unsigned char key[16])
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
ledger_find(const struct ledger *l, const char *path, size_t len)
{
	unsigned char key[16];

	if (l->slot_count == 0)
		return LEDGER_NONE;
	key_of(path, len, key);
	const uint32_t *slot = slot_of(l, key);

	return *slot == 0 ? LEDGER_NONE : *slot - 1;
}

static void
grow(struct ledger *l)
{
	l->room = l->room == 0 ? FIRST_ROOM : 2 * l->room;
	l->entries = mem_array(l->entries, l->room, sizeof(*l->entries));
	free(l->slots);
	l->slot_count = 2 * l->room;
	l->slots = mem_new(l->slot_count * sizeof(*l->slots));
	for (uint32_t i = 0; i < l->count; i++)
		*slot_of(l, l->entries[i].key) = i + 1;
}

uint32_t
ledger_put(struct ledger *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct ledger_entry new = {.link = LEDGER_NONE, .parent = LEDGER_NONE};
	uint32_t *slot;

	if (l->count == l->room)
		grow(l);
	key_of(path, strlen(path), new.key);
	slot = slot_of(l, new.key);
	if (*slot != 0)
		return *slot - 1;
	if (l->count == LEDGER_MAX)
		return LEDGER_NONE;
	if (path[0] != '\0')
		new.parent = ledger_find(l, path, slash == NULL ? 0 : (size_t)(slash - path));
	slot = slot_of(l, new.key);
	l->entries[l->count] = new;
	*slot = ++l->count;
	return l->count - 1;
}

static bool
stays(const struct ledger *l, uint32_t number)
{
	return number != LEDGER_NONE && (l->entries[number].flags & LEDGER_STAYS) != 0;
}

/* Whether ${x} is as opaque in the tree as in the archive. */
static bool
same_veil(const struct ledger_entry *x)
{
	return ((x->flags & LEDGER_OPAQUE) != 0) == ((x->flags & LEDGER_VEILED) != 0);
}

static void
set_stays(struct ledger_entry *x, bool now)
{
	const bool before = (x->flags & LEDGER_STAYS) != 0;

	x->flags &= ~(uint32_t)LEDGER_STAYS;
	x->flags |= (now ? LEDGER_STAYS : 0U) | (before && !now ? LEDGER_LOST : 0U);
}

void
ledger_settle(struct ledger *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct ledger_entry *x = &l->entries[i];
		const bool whole = x->parent == LEDGER_NONE ? i == 0 : stays(l, x->parent);
		const bool linked = x->link == LEDGER_NONE || stays(l, x->link);
		const bool held = (x->flags & LEDGER_HELD) != 0;

		assert(x->parent == LEDGER_NONE || x->parent < i);
		if (!linked && !held)
			x->flags &= ~(uint32_t)LEDGER_EQUAL;
		if ((x->flags & (LEDGER_DIR | LEDGER_HELD | LEDGER_ABOVE)) == LEDGER_DIR &&
			!same_veil(x) && i != 0)
			x->flags &= ~(uint32_t)LEDGER_EQUAL;
		set_stays(x, whole && (x->flags & LEDGER_EQUAL) != 0);
		if (whole && x->parent != LEDGER_NONE && (x->flags & LEDGER_STAYS) == 0)
			l->entries[x->parent].flags |= LEDGER_DRESS;
	}
}
