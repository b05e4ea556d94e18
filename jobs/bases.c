#include "jobs/bases.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/scratch.h"

enum {
	WRITE_AT_ONCE = 2048,	   /* marks: 48 KiB */
	SLOTS = 4 * BASES_MAX / 2, /* of the table: at most half of them are in use */
};

struct bases {
	int dir_fd;
	int fd;			 /* of the marks; -1: none yet */
	struct scratch *scratch; /* or NULL */
	bool broken;		 /* it could not be written: nothing more is remembered */
	uint64_t end;		 /* marks, those that wait included */
	uint64_t first;		 /* of the present file */
	struct mark waiting[WRITE_AT_ONCE];
	size_t waiting_count;
	struct base *list;
	size_t count;
	int64_t bytes_min;     /* smaller files are not remembered any more */
	uint32_t slots[SLOTS]; /* by path: index in the list plus one, 0: free */
};

struct bases *
bases_new(int dir_fd, bool hidden)
{
	struct bases *b = mem_new(sizeof(*b));

	b->dir_fd = dir_fd;
	b->fd = -1;
	b->bytes_min = BASE_BYTES_MIN;
	b->scratch = hidden ? scratch_new() : NULL;
	return b;
}

static void
base_clear(struct base *base)
{
	free(base->path);
	recipe_free(&base->recipe);
}

void
bases_free_at(struct bases **at)
{
	struct bases *b = *at;

	if (b == NULL)
		return;
	for (size_t i = 0; i < b->count; i++)
		base_clear(&b->list[i]);
	free(b->list);
	fd_close_at(&b->fd);
	scratch_free(b->scratch);
	free(b);
}

struct mark
mark_of(const void *data, size_t len)
{
	const XXH128_hash_t hash = XXH3_128bits(data, len);

	return (struct mark){hash.low64, hash.high64, (uint32_t)len};
}

bool
mark_equal(const struct mark *a, const struct mark *b)
{
	return a->low == b->low && a->high == b->high && a->len == b->len;
}

void
bases_begin(struct bases *b)
{
	b->first = b->end;
}

static void
flush(struct bases *b)
{
	const size_t len = b->waiting_count * sizeof(b->waiting[0]);
	const off_t at = (off_t)((b->end - b->waiting_count) * sizeof(b->waiting[0]));

	b->waiting_count = 0;
	if (b->scratch != NULL)
		scratch_turn(b->scratch, at, b->waiting, len, b->waiting);
	if (b->fd < 0)
		b->fd = openat(b->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	b->broken = b->fd < 0 || pwrite(b->fd, b->waiting, len, at) != (ssize_t)len;
}

void
bases_chunk(void *bases, const void *data, size_t len)
{
	struct bases *b = bases;

	if (b->broken)
		return;
	b->waiting[b->waiting_count++] = mark_of(data, len);
	b->end++;
	if (b->waiting_count == WRITE_AT_ONCE)
		flush(b);
}

/* The slot in which ${path} stands, or would. */
static size_t
slot_of(const struct bases *b, const char *path)
{
	size_t i = (size_t)XXH3_64bits(path, strlen(path)) % SLOTS;

	while (b->slots[i] != 0 && strcmp(b->list[b->slots[i] - 1].path, path) != 0)
		i = (i + 1) % SLOTS;
	return i;
}

/* Make room: forget the smaller files, until there is a quarter of it free. */
static void
prune(struct bases *b)
{
	while (b->count > BASES_MAX / 4 * 3) {
		size_t kept = 0;

		b->bytes_min *= 2;
		for (size_t i = 0; i < b->count; i++) {
			if (b->list[i].bytes >= b->bytes_min)
				b->list[kept++] = b->list[i];
			else
				base_clear(&b->list[i]);
		}
		b->count = kept;
	}
	memset(b->slots, 0, sizeof(b->slots));
	for (size_t i = 0; i < b->count; i++)
		b->slots[slot_of(b, b->list[i].path)] = (uint32_t)i + 1;
}

void
bases_keep(struct bases *b, const struct segment *segment, const struct recipe *recipe)
{
	uint32_t *slot;
	struct base *base;

	if (b->broken || segment->path == NULL || segment->bytes < b->bytes_min ||
		recipe_chunks(recipe) != b->end - b->first)
		return;
	if (b->list == NULL)
		b->list = mem_array(NULL, BASES_MAX, sizeof(*b->list));
	if (b->count == BASES_MAX)
		prune(b);
	slot = &b->slots[slot_of(b, segment->path)];
	if (*slot == 0) {
		*slot = (uint32_t)++b->count;
		b->list[*slot - 1] = (struct base){.path = mem_string(segment->path)};
	}
	base = &b->list[*slot - 1];
	base->kind = segment->kind;
	base->bytes = segment->bytes;
	base->first = b->first;
	base->count = b->end - b->first;
	recipe_clear(&base->recipe);
	recipe_add_all(&base->recipe, recipe);
}

const struct base *
bases_find(const struct bases *b, const char *path, enum segment_kind kind)
{
	const struct base *base;
	uint32_t slot;

	if (b->broken || path == NULL || b->list == NULL)
		return NULL;
	slot = b->slots[slot_of(b, path)];
	base = slot == 0 ? NULL : &b->list[slot - 1];
	return base != NULL && base->kind == kind ? base : NULL;
}

size_t
bases_marks(const struct bases *b, const struct base *base, uint64_t first, struct mark *marks,
	size_t count)
{
	const uint64_t written = b->end - b->waiting_count;
	uint64_t at = base->first + first;
	ssize_t got;

	if (first >= base->count)
		return 0;
	if (count > base->count - first)
		count = (size_t)(base->count - first);
	if (at >= written) {
		memcpy(marks, b->waiting + (at - written), count * sizeof(*marks));
		return count;
	}
	if (count > written - at)
		count = (size_t)(written - at);
	got = pread(b->fd, marks, count * sizeof(*marks), (off_t)(at * sizeof(*marks)));
	if (got > 0 && b->scratch != NULL)
		scratch_turn(b->scratch, (int64_t)(at * sizeof(*marks)), marks, (size_t)got, marks);
	return got < 0 ? 0 : (size_t)got / sizeof(*marks);
}
