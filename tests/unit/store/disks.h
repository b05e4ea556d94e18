#ifndef UNIT_STORE_DISKS_H
#define UNIT_STORE_DISKS_H

#include "tests/unit/store/power.h"

#include <ftw.h>

/*
 * What a disk may hold when the power goes off after some of the calls that power.h noted: what was
 * synced is there, and of what was not some part.  Folder entries are synced with their folder.
 */
struct bytes {
	unsigned char *data;
	size_t len;
};

struct entry {
	char name[NAME];
	int file; /* -1: a folder */
	bool gone;
};

enum { ENTRIES = 2 * FILES, SEEN = 1 << 20 };

struct image {
	struct bytes files[FILES];
	struct entry entries[ENTRIES];
	int count;
};

static struct disks {
	struct image synced;
	struct image trial;    /* the synced one, and of the rest some part */
	size_t pending[CALLS]; /* calls whose effect is not synced */
	size_t pending_count;
	unsigned marks; /* bits of what has happened */
	uint64_t seen[SEEN];
	unsigned random;
} disks;

/* What of the pending writes is there; and of the pending entries all or none.  HEAD_DRAW: of both
 * any, by chance, and some writes torn. */
enum head {
	HEAD_ALL,
	HEAD_NONE,
	HEAD_LAST_512, /* all, but the last one torn */
	HEAD_LAST_4096,
	HEAD_CATALOGUE,
	HEAD_PACKS,
	HEAD_DRAW,
	HEADS = HEAD_DRAW
};
static const char *const heads[HEADS + 1] = {"all", "none", "all, the last torn at 512",
	"all, the last torn at 4096", "the catalogue's", "the packs'", "drawn"};

static void
bytes_write(struct bytes *b, size_t at, const void *data, size_t len)
{
	if (at + len > b->len) {
		b->data = realloc(b->data, at + len);
		if (b->data == NULL)
			abort();
		memset(b->data + b->len, 0, at + len - b->len);
		b->len = at + len;
	}
	if (len > 0)
		memcpy(b->data + at, data, len);
}

static void
bytes_apply(struct bytes *b, const struct call *c, size_t len)
{
	if (c->kind == CALL_WRITE)
		bytes_write(b, (size_t)c->at, c->data, len);
	else if ((size_t)c->at < b->len)
		b->len = (size_t)c->at;
	else
		bytes_write(b, (size_t)c->at, NULL, 0);
}

static struct entry *
entry_find(struct image *image, const char *name)
{
	for (int i = 0; i < image->count; i++) {
		if (strcmp(image->entries[i].name, name) == 0)
			return &image->entries[i];
	}
	return NULL;
}

static void
entry_set(struct image *image, const char *name, int file, bool gone)
{
	struct entry *found = entry_find(image, name);

	if (found == NULL)
		found = &image->entries[image->count++];
	if (image->count > ENTRIES)
		abort();
	found->file = file;
	found->gone = gone;
	if (found->name != name)
		(void)snprintf(found->name, NAME, "%s", name);
}

static bool
is_data(const struct call *c)
{
	return c->kind == CALL_WRITE || c->kind == CALL_CUT;
}

/* What is there at the start. */
static int
base_visit(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	const char *name = path + strlen(power.folder) + 1;
	FILE *from;

	if (at->level == 0)
		return 0;
	if (kind == FTW_D) {
		entry_set(&disks.synced, name, -1, false);
		return 0;
	}
	const int file = file_add(name);
	entry_set(&disks.synced, name, file, false);
	from = fopen(path, "re");
	if (from == NULL)
		abort();
	if (st->st_size > 0) {
		bytes_write(&disks.synced.files[file], (size_t)st->st_size, NULL, 0);
		if (fread(disks.synced.files[file].data, 1, (size_t)st->st_size, from) !=
			(size_t)st->st_size)
			abort();
	}
	(void)fclose(from);
	return 0;
}

/* Everything below the folder is on the disk; note changes from now on. */
static void
disks_start(const char *folder)
{
	(void)snprintf(power.folder, sizeof(power.folder), "%s", folder);
	if (nftw(folder, base_visit, 16, FTW_PHYS) != 0)
		abort();
	power_start(folder);
}

static bool
is_in(const char *name, const char *folder)
{
	const char *slash = strrchr(name, '/');
	const size_t len = slash == NULL ? 0 : (size_t)(slash - name);

	return strlen(folder) == len && strncmp(name, folder, len) == 0;
}

/* The next call: what it changes is pending; a sync makes it last. */
static void
call_take(size_t at)
{
	const struct call *sync = &power.calls[at];
	size_t left = 0;

	if (sync->kind == CALL_MARK)
		disks.marks |= 1U << sync->file;
	else if (sync->kind != CALL_SYNC && sync->kind != CALL_SYNC_FOLDER)
		disks.pending[disks.pending_count++] = at;
	for (size_t i = 0; i < disks.pending_count; i++) {
		const struct call *c = &power.calls[disks.pending[i]];
		if (is_data(c) && sync->kind == CALL_SYNC && c->file == sync->file)
			bytes_apply(&disks.synced.files[c->file], c, c->len);
		else if (!is_data(c) && sync->kind == CALL_SYNC_FOLDER &&
			 is_in(c->name, sync->name))
			entry_set(&disks.synced, c->name, c->file, c->kind == CALL_REMOVE);
		else
			disks.pending[left++] = disks.pending[i];
	}
	disks.pending_count = left;
}

static bool
is_catalogue(int file)
{
	for (size_t i = 0; i < power.count; i++) {
		if (power.calls[i].kind == CALL_MAKE && power.calls[i].file == file)
			return strncmp(power.calls[i].name, "catalogue", 9) == 0;
	}
	return strncmp(power.names[file], "catalogue", 9) == 0;
}

static unsigned
draw(unsigned below)
{
	disks.random = disks.random * 1103515245 + 12345;
	return (disks.random >> 16) % below;
}

/* Bytes of ${c} that are there if it was torn around ${middle} at a multiple of ${unit}. */
static size_t
torn(const struct call *c, size_t middle, size_t unit)
{
	const size_t end = ((size_t)c->at + middle) / unit * unit;

	return end > (size_t)c->at ? end - (size_t)c->at : 0;
}

/* Whether the ${i}-th pending write is there, and how much of it. */
static bool
is_written(size_t i, enum head head, size_t *ret_len)
{
	const struct call *c = &power.calls[disks.pending[i]];
	const bool tears = c->kind == CALL_WRITE;

	*ret_len = c->len;
	if (head == HEAD_NONE)
		return false;
	if (head == HEAD_CATALOGUE || head == HEAD_PACKS)
		return is_catalogue(c->file) == (head == HEAD_CATALOGUE);
	if (head == HEAD_DRAW) {
		if (draw(2) == 0)
			return false;
		if (!tears || draw(3) > 0)
			return true;
		*ret_len = torn(c, draw((unsigned)c->len + 1), draw(2) == 0 ? 512 : 4096);
		return *ret_len > 0;
	}
	if (head == HEAD_ALL || i + 1 < disks.pending_count || !tears)
		return true;
	*ret_len = torn(c, c->len / 2, head == HEAD_LAST_512 ? 512 : 4096);
	return *ret_len > 0;
}

/* The disk of this variant, into disks.trial. */
static void
trial_make(enum head head, bool entries)
{
	struct image *t = &disks.trial;

	for (int f = 0; f < power.files; f++) {
		t->files[f].len = 0;
		bytes_write(&t->files[f], 0, disks.synced.files[f].data, disks.synced.files[f].len);
	}
	memcpy(t->entries, disks.synced.entries, sizeof(t->entries));
	t->count = disks.synced.count;
	for (size_t i = 0; i < disks.pending_count; i++) {
		const struct call *c = &power.calls[disks.pending[i]];
		size_t len = 0;
		if (is_data(c) && is_written(i, head, &len))
			bytes_apply(&t->files[c->file], c, len);
		if (!is_data(c) && (head == HEAD_DRAW ? draw(2) == 0 : entries))
			entry_set(t, c->name, c->file, c->kind == CALL_REMOVE);
	}
}

/* FNV-1a, by words. */
static void
hash_add(uint64_t *hash, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (; len > 0; at += sizeof(uint64_t)) {
		const size_t n = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
		uint64_t word = 0;
		memcpy(&word, at, n);
		*hash = (*hash ^ word ^ n << 60) * 0x100000001B3;
		*hash ^= *hash >> 29; /* else the high bits of a word reach no low ones */
		len -= n;
	}
}

/* Whether there was such a disk before, when the same had happened. */
static bool
trial_known(void)
{
	const struct image *t = &disks.trial;
	uint64_t hash = 0xCBF29CE484222325;

	hash_add(&hash, &disks.marks, sizeof(disks.marks));
	for (int i = 0; i < t->count; i++) {
		const struct entry *entry = &t->entries[i];
		if (entry->gone)
			continue;
		hash_add(&hash, entry->name, strlen(entry->name) + 1);
		if (entry->file >= 0)
			hash_add(&hash, t->files[entry->file].data, t->files[entry->file].len);
	}
	size_t slot = hash % SEEN;
	while (disks.seen[slot] != 0 && disks.seen[slot] != hash)
		slot = (slot + 1) % SEEN;
	const bool known = disks.seen[slot] == hash;
	disks.seen[slot] = hash;
	return known;
}

/* Entries stand behind those of their folders; one whose folder is not there is lost. */
static void
trial_write(const char *folder)
{
	char path[PATH_MAX];

	for (int i = 0; i < disks.trial.count; i++) {
		const struct entry *entry = &disks.trial.entries[i];
		if (entry->gone)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->name);
		if (entry->file < 0) {
			(void)mkdir(path, 0700);
			continue;
		}
		const struct bytes *b = &disks.trial.files[entry->file];
		FILE *to = fopen(path, "we");
		if (to == NULL)
			continue;
		if ((b->len > 0 && fwrite(b->data, 1, b->len, to) != b->len) || fclose(to) != 0)
			abort();
	}
}

/* Who tries which disks: of ${of} parts, one. */
struct share {
	size_t of, mine; /* mine: 0 … of - 1 */
	int draws;	 /* at each call, besides the heads */
};

/**
 * disks_each(share, make, check, ctx):
 * Every disk that is unlike those before, in a folder that ${make} returns and ${check} is given,
 * with the bits of what had happened.  Returns how many there are in all.
 */
static size_t
disks_each(const struct share *share, char *(*make)(void),
	void (*check)(void *ctx, char *folder, unsigned marks), void *ctx)
{
	size_t count = 0;

	for (size_t at = 0; at < power.count; at++) {
		call_take(at);
		for (int i = 0; i < 2 * HEADS + share->draws; i++) {
			const enum head head = i < 2 * HEADS ? (enum head)(i / 2) : HEAD_DRAW;
			trial_make(head, i % 2 == 0);
			if (trial_known() || count++ % share->of != share->mine)
				continue;
			char *folder = make();
			trial_write(folder);
			if (getenv("FB_DISKS") != NULL)
				(void)fprintf(stderr, "%zu: %s, entries %d: %s\n", at, heads[head],
					i % 2 == 0, folder);
			check(ctx, folder, disks.marks);
		}
	}
	return count;
}

static void
disks_free(void)
{
	for (size_t i = 0; i < power.count; i++)
		free(power.calls[i].data);
	free(power.calls);
	for (int f = 0; f < FILES; f++) {
		free(disks.synced.files[f].data);
		free(disks.trial.files[f].data);
	}
}

#endif
