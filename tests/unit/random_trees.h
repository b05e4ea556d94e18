#ifndef UNIT_RANDOM_TREES_H
#define UNIT_RANDOM_TREES_H

#include "tests/unit/trees.h"

/*
 * Random trees that have much in common: what is at a path follows from the path and a seed, now
 * and then from another one, which each tree has for itself.
 */
struct random_tree {
	const char *top;
	uint64_t common, own; /* seeds */
	bool layer;	      /* with deletions and opaque folders */
	char *opaque[256];    /* paths of these, in no order */
	size_t opaque_count;
	char *files[256]; /* what a hard link may lead to */
	size_t file_count;
};

/* ${path}, ${seed} and ${what} for, as a number.  Source: FNV-1a, then the end of SplitMix64. */
static uint64_t
random_of(uint64_t seed, const char *path, char what)
{
	uint64_t x = (UINT64_C(0xcbf29ce484222325) ^ seed) + (unsigned char)what;

	for (; *path != '\0'; path++)
		x = (x ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* One time in ${often} it is the tree's own. */
static uint64_t
random_at(const struct random_tree *t, const char *path, char what, unsigned often)
{
	const uint64_t own = random_of(t->own, path, what);

	return (own >> 40) % often == 0 ? own : random_of(t->common, path, what);
}

static const char *
random_content(uint64_t x)
{
	static const char *const short_ones[] = {"", "one", "two", "six"};
	static char large[70001];
	size_t len = sizeof(large) - 1;

	if (x % 16 != 0)
		return short_ones[x / 16 % 4];
	memset(large, (int)('a' + x / 16 % 2), len); /* a segment of its own */
	for (x /= 32; x % 4 != 0; x /= 4)	     /* others differ from it here and there */
		large[x / 4 % len] = 'c';
	large[len - x / 4 % 3 * 5000] = '\0';
	return large;
}

static char
random_type(const struct random_tree *t, uint64_t x, int depth)
{
	static const char types[] = "ffffdddddlhp";
	const char type = types[x % (sizeof(types) - 1)];

	if (type == 'd' && depth == 3)
		return 'f';
	if (type == 'h' && t->file_count == 0)
		return 'c';
	return type == 'p' && t->layer ? 'w' : type;
}

/* What is at ${path}; its strings are the caller's, or borrowed. */
static struct tree_entry
random_entry(const struct random_tree *t, const char *path, int depth)
{
	static const mode_t modes[] = {0755, 0644, 0, 04711, 01777, 02750};
	const uint64_t kind = random_at(t, path, 'k', 5), look = random_at(t, path, 'l', 6);
	const uint64_t data = random_at(t, path, 'd', 6);
	struct tree_entry x = {.path = path,
		.type = depth == 0 ? 'd' : random_type(t, kind >> 8, depth),
		.mode = modes[look % 6],
		.uid = (uid_t)(look >> 8) % 3,
		.mtime_s = 1000000000 + (int64_t)((look >> 16) % 3) * 1000,
		.note = (look >> 24) % 4 == 0 ? "note" : NULL};

	x.acl = x.type == 'd' && (look >> 32) % 4 == 0;
	if (x.type == 'f')
		x.data = random_content(data);
	if (x.type == 'l')
		x.data = data % 2 == 0 ? "/nowhere" : "../a";
	if (x.type == 'h')
		x.data = t->files[data % t->file_count];
	return x;
}

static void
random_opaque(struct random_tree *t, const char *path, const char *full)
{
	if (!t->layer || path[0] == '\0' || random_at(t, path, 'o', 6) % 4 != 0)
		return;
	assert_int_equal(lsetxattr(full, "trusted.overlay.opaque", "y", 1, 0), 0);
	t->opaque[t->opaque_count++] = mem_string(path);
}

static void
random_below(struct random_tree *t, const char *path, int depth)
{
	static const char *const names[] = {"a", "a.b", "b", "c d", "\303\251"};
	const struct tree_entry x = random_entry(t, path, depth);
	SCOPED(free_at) char *full = mem_format("%s/%s", t->top, path);

	tree_put(t->top, &x);
	if (x.type == 'f' && t->file_count < 256)
		t->files[t->file_count++] = mem_string(path);
	for (size_t i = 0; x.type == 'd' && i < sizeof(names) / sizeof(*names); i++) {
		SCOPED(free_at)
		char *below = mem_format("%s%s%s", path, path[0] == '\0' ? "" : "/", names[i]);

		if (random_at(t, below, 'p', 6) % 5 < 3)
			random_below(t, below, depth + 1);
	}
	if (x.type == 'd')
		random_opaque(t, path, full);
	tree_time(t->top, &x);
}

static void
random_free(struct random_tree *t)
{
	while (t->file_count > 0)
		free(t->files[--t->file_count]);
	while (t->opaque_count > 0)
		free(t->opaque[--t->opaque_count]);
}

/* Make it in the folder ${t->top}, which is there and empty. */
TREES void
random_make(struct random_tree *t)
{
	random_below(t, "", 0);
	if (t->opaque_count > 1)
		qsort(t->opaque, t->opaque_count, sizeof(*t->opaque), by_text);
}

/* Make it again, of another seed, in some of what the root holds: as somebody who writes to it. */
TREES void
random_change(const char *top, const struct random_tree *of, uint64_t seed)
{
	static const char *const names[] = {"a", "a.b", "b", "b/a", "a/a.b"};
	struct random_tree t = {.top = top, .common = of->common, .own = seed, .layer = of->layer};
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		SCOPED(free_at) char *full = mem_format("%s/%s", top, names[i]);
		SCOPED(free_at) char *folder = mem_copy(full, (size_t)(strrchr(full, '/') - full));
		const uint64_t what = random_of(seed, names[i], 'c');

		if (what % 3 == 0 || lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
			continue;
		if (lstat(full, &st) == 0)
			tree_remove(full);
		if (what % 3 == 1)
			random_below(&t, names[i], names[i][1] == '/' ? 2 : 1);
		random_free(&t); /* what links led to may go next */
	}
}

#endif
