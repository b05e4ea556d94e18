#include "jobs/import/path_set.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/id.h"
#include "base/mem.h"

enum { ROOM_FIRST = 1024 };

void
path_set_clear(struct path_set *s)
{
	free(s->slots);
	*s = (struct path_set){0};
}

static uint64_t
hash_of(const struct path_set *s, const char *path, size_t len)
{
	const uint64_t hash = XXH3_64bits_withSeed(path, len, s->seed) & ~UINT64_C(1);

	return hash == 0 ? 2 : hash;
}

/* The slot that holds ${hash}, or where it would go. */
static size_t
path_set_slot_of(const struct path_set *s, uint64_t hash)
{
	size_t i = (size_t)(hash >> 8) & (s->room - 1);

	while (s->slots[i] != 0 && (s->slots[i] & ~UINT64_C(1)) != hash)
		i = (i + 1) & (s->room - 1);
	return i;
}

static void
path_set_grow(struct path_set *s)
{
	struct path_set larger = {.room = s->room == 0 ? ROOM_FIRST : 2 * s->room, .seed = s->seed};

	if (s->room == 0)
		random_bytes(&larger.seed, sizeof(larger.seed));
	larger.slots = mem_new(larger.room * sizeof(*larger.slots));
	for (size_t i = 0; i < s->room; i++)
		if (s->slots[i] != 0)
			larger.slots[path_set_slot_of(&larger, s->slots[i] & ~UINT64_C(1))] =
				s->slots[i];
	larger.count = s->count;
	free(s->slots);
	*s = larger;
}

int
path_set_add(
	struct path_set *s, const char *path, size_t len, enum path_set_kind kind, struct err *e)
{
	uint64_t hash;
	size_t slot;

	if (s->count == PATH_SET_MAX)
		return err_set(
			e, ERR_TOO_LARGE, "a tree of the archive has over %d files", PATH_SET_MAX);
	if (2 * (s->count + 1) > s->room)
		path_set_grow(s);
	hash = hash_of(s, path, len);
	slot = path_set_slot_of(s, hash);
	s->count += s->slots[slot] == 0;
	s->slots[slot] = hash | (kind == PATH_SET_FOLDER);
	return 0;
}

enum path_set_kind
path_set_find(const struct path_set *s, const char *path, size_t len)
{
	uint64_t found;

	if (s->room == 0)
		return PATH_SET_NOT;
	found = s->slots[path_set_slot_of(s, hash_of(s, path, len))];
	return found == 0 ? PATH_SET_NOT : (found & 1) != 0 ? PATH_SET_FOLDER : PATH_SET_FILE;
}
