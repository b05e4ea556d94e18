#include "archive/disk/links.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ROOM_FIRST = 64 };

/* Multiplication by 2^64 / golden ratio spreads consecutive inodes (Knuth, TAOCP 3, 6.4). */
static size_t
links_slot_of(const struct links *l, uint64_t device, uint64_t ino)
{
	uint64_t hash = (ino ^ (device << 32)) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (l->room - 1);
}

static struct link_inode **
links_seek(const struct links *l, uint64_t device, uint64_t ino)
{
	size_t i = links_slot_of(l, device, ino);

	while (l->slots[i] != NULL && (l->slots[i]->ino != ino || l->slots[i]->device != device))
		i = (i + 1) & (l->room - 1);
	return &l->slots[i];
}

static void
links_grow(struct links *l)
{
	struct links bigger = {.room = l->room == 0 ? ROOM_FIRST : 2 * l->room, .count = l->count};

	bigger.slots = mem_new(bigger.room * sizeof(struct link_inode *));
	for (size_t i = 0; i < l->room; i++)
		if (l->slots[i] != NULL)
			*links_seek(&bigger, l->slots[i]->device, l->slots[i]->ino) = l->slots[i];
	free(l->slots);
	*l = bigger;
}

struct link_inode *
links_find(struct links *l, uint64_t device, uint64_t ino, const char *path, bool *ret_new)
{
	struct link_inode **slot;

	if (2 * (l->count + 1) > l->room)
		links_grow(l);
	slot = links_seek(l, device, ino);
	*ret_new = *slot == NULL;
	if (*slot == NULL) {
		*slot = mem_new(sizeof(**slot));
		(*slot)->device = device;
		(*slot)->ino = ino;
		(*slot)->path = mem_string(path);
		l->count++;
	}
	return *slot;
}

void
links_free(struct links *l)
{
	for (size_t i = 0; i < l->room; i++) {
		if (l->slots[i] != NULL)
			free(l->slots[i]->path);
		free(l->slots[i]);
	}
	free(l->slots);
	memset(l, 0, sizeof(*l));
}
