/* Goal: an outline finds, lists and cuts out exactly what a reading of the whole stream would, and
 * reads only a little of it; whatever order the stream has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar/outline.h"
#include "archive/tar/path_order.h"
#include "archive/tar/reader.h"
#include "base/mem.h"
#include "base/scope.h"

/* A stream in memory. */
struct tape {
	struct buf bytes;
	size_t at;
	size_t read; /* how much of it was handed out */
};

static ssize_t
tape_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct tape *t = ctx;
	const size_t left = t->bytes.len - t->at;

	(void)e;
	size = size < 4096 ? size : 4096; /* as chunks would be, small */
	size = size < left ? size : left;
	memcpy(data, t->bytes.data + t->at, size);
	t->at += size;
	t->read += size;
	return (ssize_t)size;
}

static int
tape_seek(void *ctx, int64_t offset, struct err *e)
{
	struct tape *t = ctx;

	if (offset < 0 || (size_t)offset > t->bytes.len)
		return err_set(e, ERR_RANGE, "behind the end");
	t->at = (size_t)offset;
	return 0;
}

static int
tape_skip(void *ctx, int64_t len, struct err *e)
{
	const struct tape *t = ctx;

	return tape_seek(ctx, (int64_t)t->at + len, e);
}

static void
put(struct tape *t, const char *path, enum member_type type, const char *link, size_t size)
{
	const struct member m = {.path = path,
		.type = type,
		.mode = 0640,
		.uid = 7,
		.size = (int64_t)size,
		.mtime_ns = 1500000000123456789,
		.link = link};
	struct err e;
	char *to;

	assert_int_equal(member_write_header(&m, &t->bytes, &e), 0);
	size += member_padding((int64_t)size);
	to = buf_reserve(&t->bytes, size);
	assert_non_null(to);
	memset(to, 'x', size);
	t->bytes.len += size;
}

static void
finish(struct tape *t)
{
	static const char zeros[MEMBER_END_SIZE];

	assert_int_equal(buf_add(&t->bytes, zeros, sizeof(zeros)), 0);
}

static void
tape_free(struct tape *t)
{
	buf_free(&t->bytes);
}

static struct outline_stream
stream_of(struct tape *t)
{
	return (struct outline_stream){
		.source = {tape_read, t}, .seek = tape_seek, .skip = tape_skip};
}

/* Two trees as backups have them: directories first, then the rest, names that sort around '/'. */
enum { FOLDERS = 40, FILES = 60, LARGE = 3 * 1024 * 1024 };
static const char *const odd[] = {"a", "a!", "a b", "a.d", "a0", "\x01", "\xff\xfe", "z"};
enum { ODD = sizeof(odd) / sizeof(odd[0]) };

static int
by_order(const void *a, const void *b)
{
	return path_compare(*(const char *const *)a, *(const char *const *)b);
}

/* Paths of a tree with prefix ${root}; the caller frees each. */
static size_t
tree_paths(const char *root, bool folders, char **paths)
{
	size_t count = 0;

	if (folders)
		paths[count++] = mem_string(root);
	for (int i = 0; i < FOLDERS; i++) {
		const char *name = odd[i % ODD];

		if (folders)
			paths[count++] = mem_format("%s/%s%d", root, name, i);
		for (int k = 0; k < FILES && !folders; k++)
			paths[count++] = mem_format("%s/%s%d/%s%d", root, name, i, odd[k % ODD], k);
	}
	if (!folders)
		paths[count++] = mem_format("%s/a00", root);
	qsort(paths, count, sizeof(*paths), by_order);
	return count;
}

static void
put_tree(struct tape *t, const char *root)
{
	static char *paths[FOLDERS * FILES + 1];

	for (int folders = 1; folders >= 0; folders--) {
		const size_t count = tree_paths(root, folders, paths);

		for (size_t i = 0; i < count; i++) {
			put(t, paths[i], folders ? MEMBER_DIR : MEMBER_FILE, NULL,
				folders		 ? 0
				: i % 1000 == 17 ? LARGE
						 : i % 700);
			free(paths[i]);
		}
	}
}

static void
put_backup(struct tape *t)
{
	t->bytes = (struct buf)BUF_INIT(1 << 30);
	put(t, "backup.json", MEMBER_FILE, NULL, 5000);
	put(t, "images/one.tar", MEMBER_FILE, NULL, LARGE);
	put(t, "containers/c/inspect.json", MEMBER_FILE, NULL, 100);
	put_tree(t, "volumes/one");
	put_tree(t, "volumes/two");
	put(t, "host/srv", MEMBER_DIR, NULL, 0);
	put(t, "host/srv/hard", MEMBER_LINK, "volumes/one/a00", 0);
	put(t, "host/srv/soft", MEMBER_SYMLINK, "../x", 0);
	finish(t);
}

/* The same by reading all: entry ${name} of ${folder}, and its path if it is a member. */
struct naive {
	char *names[16384];
	size_t count;
};

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
naive_children(struct tape *t, const char *folder, struct naive *n)
{
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	struct err e;
	size_t kept = 0;

	n->count = 0;
	t->at = 0;
	assert_int_equal(reader_open((struct source){tape_read, t}, &r, &e), 0);
	while (reader_next(r, &m, &e) > 0) {
		bool direct;

		if (path_inside(m->path, folder) && n->count < 16384)
			n->names[n->count++] = path_child(m->path, folder, &direct);
	}
	qsort(n->names, n->count, sizeof(*n->names), by_bytes);
	for (size_t i = 0; i < n->count; i++)
		if (kept > 0 && strcmp(n->names[i], n->names[kept - 1]) == 0)
			free(n->names[i]);
		else
			n->names[kept++] = n->names[i];
	n->count = kept;
}

/* All entries of ${folder}, by pages of ${limit}, are those of the naive reading. */
static void
check_children(struct tape *t, const struct outline *o, const char *folder, size_t limit)
{
	const struct outline_stream s = stream_of(t);
	SCOPED(free_at) char *after = NULL;
	static struct naive n;
	size_t found = 0;
	struct err e;
	bool more = true;

	naive_children(t, folder, &n);
	while (more) {
		SCOPED(outline_list_free) struct outline_list list = {0};

		assert_int_equal(outline_children(o, &s, folder, after, limit, &list, &e), 0);
		assert_true(list.count <= limit);
		for (size_t i = 0; i < list.count; i++) {
			assert_true(found < n.count);
			assert_string_equal(list.entries[i].name, n.names[found]);
			found++;
		}
		more = list.more;
		assert_true(!more || list.count == limit);
		free(after);
		after = list.count == 0 ? NULL : mem_string(list.entries[list.count - 1].name);
	}
	assert_int_equal(found, n.count);
	for (size_t i = 0; i < n.count; i++)
		free(n.names[i]);
}

static struct outline *
outlined(struct tape *t)
{
	const struct outline_stream s = stream_of(t);
	struct outline *o = NULL;
	struct err e;

	if (outline_make(&s, &o, &e) != 0)
		fail_msg("%s", e.text);
	return o;
}

static void
test_children(void **state)
{
	static const char *const folders[] = {"", "volumes", "volumes/one", "volumes/two",
		"volumes/one/a0", "volumes/two/a!1",
		"volumes/one/\xff\xfe"
		"6",
		"host", "host/srv", "images", "containers", "containers/c", "none", "volumes/on",
		"volumes/one/a00"};
	static const size_t limits[] = {1, 7, 1000};
	SCOPED(tape_free) struct tape t = {0};

	(void)state;
	put_backup(&t);
	SCOPED(outline_free_at) struct outline *o = outlined(&t);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++)
			check_children(&t, o, folders[i], limits[k]);
}

static void
test_little_is_read(void **state)
{
	SCOPED(tape_free) struct tape t = {0};
	const struct outline_stream s = stream_of(&t);
	SCOPED(outline_list_free) struct outline_list list = {0};
	struct err e;

	(void)state;
	put_backup(&t);
	SCOPED(outline_free_at) struct outline *o = outlined(&t);
	assert_true(t.read + LARGE < t.bytes.len); /* contents of large files were left out */
	t.read = 0;
	assert_int_equal(outline_children(o, &s, "volumes/two/a!1", NULL, 10, &list, &e), 0);
	assert_int_equal(list.count, 10);
	assert_true(t.read < 4 * OUTLINE_STEP);
}

/* Each member of the naive reading is found, with what it has, and its content where it is said. */
static void
test_find(void **state)
{
	SCOPED(tape_free) struct tape t = {0};
	struct tape whole;
	const struct outline_stream s = stream_of(&t);
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m;
	struct outline_entry found;
	struct err e;
	size_t members = 0;

	(void)state;
	put_backup(&t);
	SCOPED(outline_free_at) struct outline *o = outlined(&t);
	whole = t;
	whole.at = 0;
	assert_int_equal(reader_open((struct source){tape_read, &whole}, &r, &e), 0);
	while (reader_next(r, &m, &e) > 0) {
		if (members++ % 37 != 0 && m->type == MEMBER_FILE)
			continue;
		assert_int_equal(outline_find(o, &s, m->path, &found, &e), 0);
		assert_string_equal(found.name, path_name(m->path));
		assert_true(found.member);
		assert_int_equal(found.type, m->type);
		assert_int_equal(found.size, m->size);
		assert_int_equal(found.uid, 7);
		assert_int_equal(found.mode, 0640);
		assert_int_equal(found.mtime_ns, m->mtime_ns);
		assert_int_equal(found.header, reader_place(r).header);
		assert_int_equal(found.content, reader_place(r).content);
		if (m->size > 0)
			assert_int_equal(t.bytes.data[found.content], 'x');
		if (m->link != NULL)
			assert_string_equal(found.link, m->link);
		outline_entry_free(&found);
	}
	assert_true(members > FOLDERS * FILES);
	assert_int_equal(outline_find(o, &s, "containers", &found, &e), 0);
	assert_false(found.member);
	assert_int_equal(found.type, MEMBER_DIR);
	outline_entry_free(&found);
	for (size_t i = 0; i < 3; i++) {
		static const char *const none[] = {"volume", "volumes/one/a0/none", "zzz"};
		assert_int_equal(outline_find(o, &s, none[i], &found, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
	}
}

/* The ranges of ${folder} are its members, all of them and no others. */
static void
check_ranges(struct tape *t, const struct outline *o, const char *folder)
{
	const struct outline_stream s = stream_of(t);
	SCOPED(tape_free) struct tape part = {.bytes = BUF_INIT(1 << 30)};
	SCOPED(reader_close_at) struct reader *all = NULL;
	SCOPED(reader_close_at) struct reader *some = NULL;
	SCOPED(free_at) struct outline_range *ranges = NULL;
	struct tape whole = *t;
	const struct member *m, *n;
	struct err e;
	size_t count;

	assert_int_equal(outline_ranges(o, &s, folder, &ranges, &count, &e), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_add(&part.bytes, t->bytes.data + ranges[i].offset,
					 (size_t)ranges[i].len),
			0);
	finish(&part);
	whole.at = 0;
	assert_int_equal(reader_open((struct source){tape_read, &whole}, &all, &e), 0);
	assert_int_equal(reader_open((struct source){tape_read, &part}, &some, &e), 0);
	while (reader_next(all, &m, &e) > 0) {
		if (strcmp(m->path, folder) != 0 && !path_inside(m->path, folder))
			continue;
		assert_int_equal(reader_next(some, &n, &e), 1);
		assert_string_equal(m->path, n->path);
		assert_int_equal(m->size, n->size);
	}
	assert_int_equal(reader_next(some, &n, &e), 0);
}

static void
test_ranges(void **state)
{
	SCOPED(tape_free) struct tape t = {0};

	(void)state;
	put_backup(&t);
	SCOPED(outline_free_at) struct outline *o = outlined(&t);
	check_ranges(&t, o, "");
	check_ranges(&t, o, "volumes");
	check_ranges(&t, o, "volumes/one");
	check_ranges(&t, o, "volumes/two/a0");
	check_ranges(&t, o, "volumes/one/a!1");
	check_ranges(&t, o, "host/srv");
	check_ranges(&t, o, "none");
}

/* Nobody's order: still everything is found. */
static void
test_any_order(void **state)
{
	static const char *const paths[] = {"m", "z/b", "a", "z/a", "z/a/c", "k/l", "z", "k"};
	SCOPED(tape_free) struct tape t = {.bytes = BUF_INIT(1 << 20)};
	const struct outline_stream s = stream_of(&t);
	struct outline_entry found;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		put(&t, paths[i], MEMBER_FILE, NULL, i);
	finish(&t);
	SCOPED(outline_free_at) struct outline *o = outlined(&t);
	check_children(&t, o, "", 2);
	check_children(&t, o, "z", 1);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(outline_find(o, &s, paths[i], &found, &e), 0);
		assert_int_equal(found.size, i);
		outline_entry_free(&found);
	}
}

static void
test_cut_off(void **state)
{
	SCOPED(tape_free) struct tape t = {.bytes = BUF_INIT(1 << 20)};
	const struct outline_stream s = stream_of(&t);
	struct outline *o = NULL;
	struct err e;

	(void)state;
	put(&t, "a", MEMBER_FILE, NULL, 100000);
	assert_int_equal(outline_make(&s, &o, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	t.bytes.len -= 50000;
	assert_int_equal(outline_make(&s, &o, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_little_is_read),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
