#ifndef UNIT_ARCHIVE_PATCH_TREES_H
#define UNIT_ARCHIVE_PATCH_TREES_H

#include "tests/unit/trees.h"
#include "tests/unit/walk_to_fd.h"

#include <sys/mman.h>

#include "archive/restore/delta.h"
#include "archive/restore/tree_swap.h"

/* A large file before and after: they differ in a few places, and at the end. */
enum { LARGE = 100000, LARGE_AFTER = 99000 };
static char large[LARGE + 1], large_after[LARGE_AFTER + 1];

static void
fill_large(void)
{
	for (int i = 0; i < LARGE; i++)
		large[i] = (char)('a' + i % 23);
	memcpy(large_after, large, LARGE_AFTER);
	memcpy(large_after + 10, "other", 5);
	memcpy(large_after + 50000, "other", 5);
}

/* A tree, what it is to become, and what is noted for that. */
static const struct tree_entry before[] = {
	{"", 'd', NULL, 02750, 7, 1000000001, "root", true},
	{"a", 'd', NULL, 0755, 1, 1000000002, "a", true},
	{"a/file", 'f', "old", 0644, 2, 1000000003, NULL, false},
	{"a/gone", 'f', "gone", 0600, 3, 1000000004, "gone", false},
	{"a/same", 'f', "same", 0640, 4, 1000000005, NULL, false},
	{"a/hard", 'h', "a/same", 0, 0, 0, NULL, false},
	{"a/large", 'f', large, 0640, 15, 1000000016, "large", false},
	{"b", 'd', NULL, 0711, 5, 1000000006, NULL, false},
	{"b/x", 'd', NULL, 0700, 6, 1000000007, "x", false},
	{"b/x/deep", 'f', "deep", 0600, 7, 1000000008, NULL, false},
	{"c", 'l', "/nowhere", 0777, 8, 1000000009, "c", false},
	{"d", 'd', NULL, 0500, 9, 1000000010, NULL, true},
	{"d/pipe", 'p', NULL, 0620, 10, 1000000011, NULL, false},
	{"d/device", 'c', NULL, 0666, 11, 1000000012, NULL, false},
	{"e", 'd', NULL, 0755, 12, 1000000013, NULL, false},
	{"e/kept", 'f', "kept", 0644, 13, 1000000014, NULL, false},
	{"f", 'f', "set-id", 04755, 14, 1000000015, NULL, false},
};

static const struct tree_entry after[] = {
	{"", 'd', NULL, 0751, 70, 1100000001, NULL, false},
	{"a", 'd', NULL, 01777, 71, 1100000002, "other", false},
	{"a/file", 'f', "new", 0600, 72, 1100000003, NULL, false},
	{"a/same", 'f', "same", 0640, 4, 1000000005, NULL, false},
	{"a/hard", 'h', "a/same", 0, 0, 0, NULL, false},
	{"a/third", 'h', "a/same", 0, 0, 0, NULL, false},
	{"a/fresh", 'd', NULL, 0, 73, 1100000004, "fresh", true},
	{"a/fresh/in", 'f', "in", 0644, 74, 1100000005, NULL, false},
	{"a/large", 'f', large_after, 0604, 80, 1100000011, "now", false},
	{"b", 'd', NULL, 0711, 5, 1000000006, NULL, false},
	{"b/x", 'f', "a file now", 0644, 75, 1100000006, NULL, false},
	{"c", 'd', NULL, 0755, 76, 1100000007, NULL, false},
	{"c/link", 'l', "../a", 0777, 77, 1100000008, NULL, false},
	{"e", 'd', NULL, 0755, 12, 1000000013, NULL, false},
	{"e/kept", 'f', "kept", 0644, 13, 1000000014, NULL, false},
	{"f", 'w', NULL, 0, 78, 1100000009, NULL, false},
	{"g", 'p', NULL, 0600, 79, 1100000010, NULL, false},
};

static const struct {
	enum tree_swap_what what;
	const char *path;
} notes[] = {{TREE_SWAP_FOLDER, ""}, {TREE_SWAP_FOLDER, "a"}, {TREE_SWAP_ENTRY, "a/file"},
	{TREE_SWAP_DELETE, "a/gone"}, {TREE_SWAP_ENTRY, "a/third"}, {TREE_SWAP_ENTRY, "a/fresh"},
	{TREE_SWAP_PLACE, "a/large"}, {TREE_SWAP_KEEP, "b"}, {TREE_SWAP_ENTRY, "b/x"},
	{TREE_SWAP_ENTRY, "c"}, {TREE_SWAP_DELETE, "d"}, {TREE_SWAP_ENTRY, "f"},
	{TREE_SWAP_ENTRY, "g"}};

enum {
	NOTES = sizeof(notes) / sizeof(*notes),
	BEFORE = sizeof(before) / sizeof(*before),
	AFTER = sizeof(after) / sizeof(*after)
};

static bool
is_noted(const char *path)
{
	for (size_t i = 0; i < NOTES; i++) {
		const size_t len = strlen(notes[i].path);

		if (notes[i].what == TREE_SWAP_ENTRY && strncmp(path, notes[i].path, len) == 0 &&
			(path[len] == '/' || path[len] == '\0'))
			return true;
		if (notes[i].what == TREE_SWAP_FOLDER && strcmp(path, notes[i].path) == 0)
			return true;
	}
	return false;
}

/* A tar of the tree ${path}; the caller's to close. */
static int
archive(const char *path)
{
	static const char end[MEMBER_END_SIZE];
	SCOPED(fd_close_at) int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree tree = {.root_fd = root, .prefix = "t"};
	int tar = memfd_create("tar", MFD_CLOEXEC);
	const struct segment_sink sink = {.begin = on_begin,
		.data = on_data,
		.end = on_end,
		.notice = on_notice,
		.ctx = &tar};
	struct err e;

	assert_int_equal(segments_walk(&tree, &sink, &e), 0);
	assert_int_equal(write(tar, end, sizeof(end)), sizeof(end));
	return tar;
}

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

/* Put beside what is to be written into a/large of ${root}, as ${tar} has it: 0, 1 if it is not to
 * be, -1. */
static int
place(const char *root, int tar, struct tree_swap *p, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/a/large", root);
	SCOPED(fd_close_at) int live = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED(fd_close_at) int new = -1;
	SCOPED(fd_close_at) int old = -1;
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m = NULL;
	int made;

	if (lseek(tar, 0, SEEK_SET) != 0 ||
		reader_open((struct source){.read = read_fd, .ctx = &tar}, &r, e) != 0)
		return -1;
	do {
		if (reader_next(r, &m, e) <= 0)
			return -1;
	} while (strcmp(m->path, "t/a/large") != 0);
	if (tree_swap_delta_open(p, "a/large", &new, &old, e) != 0)
		return -1;
	made = delta_make(live, m, r, LARGE / 4, new, old, e);
	return made < 0 ? -1 : 1 - made;
}

#endif
