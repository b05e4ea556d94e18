/* Goal: a file told against its base is that file, whatever was done to it meanwhile; and only what
 * changed is copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "jobs/compare.h"

enum { SIZE = 3 << 20, ROUNDS = 300 };

struct file {
	unsigned char *data;
	size_t len;
	size_t cuts[SIZE / 4096 + 2]; /* chunk i is cuts[i] … cuts[i + 1] */
	size_t chunks;
};

static uint64_t seed = 20261123;

static size_t
below(size_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % limit;
}

static void
fill(unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)below(256);
}

/* Read it as a live pass does: chunks of any length, pages too. */
static void
remember(struct bases *b, struct file *f, const char *path, bool pages)
{
	struct recipe recipe = RECIPE_INIT;
	const struct segment segment = {.kind = pages ? SEGMENT_PAGES_16 : SEGMENT_CONTENT,
		.path = path,
		.bytes = (int64_t)f->len};
	size_t at = 0;

	f->chunks = 0;
	bases_begin(b);
	while (at < f->len) {
		size_t len = pages ? 16384 : 4096 + below(300000);

		len = len < f->len - at ? len : f->len - at;
		f->cuts[f->chunks++] = at;
		bases_chunk(b, f->data + at, len);
		recipe_add(&recipe, 1000 + 3 * f->chunks);
		at += len;
	}
	f->cuts[f->chunks] = at;
	bases_keep(b, &segment, &recipe);
	recipe_free(&recipe);
}

/* Put together what the spool says; returns the bytes that were copied. */
static size_t
replay(struct spool *s, const struct file *base, unsigned char *to, size_t *ret_len)
{
	struct spool_record r;
	struct err e;
	size_t len = 0, copied = 0;

	while (spool_next(s, &r, &e) == 1) {
		struct spool_same same;

		if (r.type == SPOOL_DATA) {
			memcpy(to + len, r.data, r.len);
			len += r.len;
			copied += r.len;
		} else if (r.type == SPOOL_SAME) {
			memcpy(&same, r.data, sizeof(same));
			const size_t from = base->cuts[same.first];
			const size_t end = base->cuts[same.first + same.count];
			memcpy(to + len, base->data + from, end - from);
			len += end - from;
		} else {
			assert_int_equal(r.type, SPOOL_BASE);
		}
	}
	*ret_len = len;
	return copied;
}

/* Compare ${now} with the base, in pieces of any length. */
static size_t
tell(const struct bases *b, const struct base *base, const struct file *old,
	const unsigned char *now, size_t len)
{
	const int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct spool_room room = {.left = SPOOL_MEMORY_MAX};
	struct spool *s = spool_new(dir, &room);
	struct compare *c = mem_new(sizeof(*c));
	unsigned char *back = mem_new(2 * SIZE);
	struct err e;
	size_t got, copied;

	assert_int_equal(compare_begin(c, b, base, s, &e), 0);
	for (size_t at = 0; at < len;) {
		const size_t want = 1 + below(1 << 20), piece = want < len - at ? want : len - at;

		assert_int_equal(compare_data(c, now + at, piece, &e), 0);
		at += piece;
	}
	assert_int_equal(compare_end(c, &e), 0);
	copied = replay(s, old, back, &got);
	assert_int_equal(got, len);
	assert_memory_equal(back, now, len);
	assert_int_equal(copied, c->copied);
	compare_clear(c);
	free(c);
	free(back);
	spool_free_at(&s);
	(void)close(dir);
	return copied;
}

static void
check(bool pages, bool hidden)
{
	const int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bases *b = bases_new(dir, hidden);
	struct file *f = mem_new(sizeof(*f));
	unsigned char *now = mem_new(SIZE + 4096);
	const enum segment_kind kind = pages ? SEGMENT_PAGES_16 : SEGMENT_CONTENT;

	f->len = SIZE - below(5000);
	f->data = mem_new(SIZE);
	fill(f->data, f->len);
	remember(b, f, "volumes/v/other", pages);
	remember(b, f, "volumes/v/file", pages);
	const struct base *base = bases_find(b, "volumes/v/file", kind);
	assert_non_null(base);
	assert_null(bases_find(b, "volumes/v/file", SEGMENT_SPARSE));
	assert_null(bases_find(b, "volumes/v/none", kind));
	assert_int_equal(base->count, f->chunks);

	memcpy(now, f->data, f->len);
	assert_int_equal(tell(b, base, f, now, f->len), 0);
	now[below(f->len)] ^= 1;
	assert_in_range(tell(b, base, f, now, f->len), 1, pages ? 16384 : 304096);
	fill(now + f->len, 4096); /* appended */
	memcpy(now, f->data, f->len);
	assert_in_range(tell(b, base, f, now, f->len + 4096), 4096, 4096);
	(void)tell(b, base, f, now, f->len / 2); /* cut off, most likely within a chunk */
	(void)tell(b, base, f, now, 1);
	(void)tell(b, base, f, now, 0);
	assert_int_equal(tell(b, NULL, f, now, f->len), f->len);
	for (int i = 0; i < 20; i++) {
		for (size_t k = below(30); k > 0; k--)
			now[below(f->len)]++;
		(void)tell(b, base, f, now, f->len - below(f->len));
	}
	free(now);
	free(f->data);
	free(f);
	bases_free_at(&b);
	(void)close(dir);
}

static void
test_content(void **state)
{
	(void)state;
	check(false, false);
	check(false, true);
}

static void
test_pages(void **state)
{
	(void)state;
	check(true, false);
	check(true, true);
}

/* More files than it remembers: the smaller ones go, the larger ones stay right. */
static void
test_limit(void **state)
{
	const int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bases *b = bases_new(dir, false);
	struct recipe recipe = RECIPE_INIT;
	char path[64], data[64];
	struct mark mark;

	(void)state;
	recipe_add(&recipe, 7);
	for (int i = 0; i < 2 * BASES_MAX; i++) {
		const struct segment segment = {.kind = SEGMENT_CONTENT,
			.path = path,
			.bytes = i % 64 == 0 ? BASE_BYTES_MIN * 16 : BASE_BYTES_MIN};

		(void)snprintf(path, sizeof(path), "volumes/v/%d", i);
		bases_begin(b);
		bases_chunk(b, path, strlen(path));
		bases_keep(b, &segment, &recipe);
	}
	for (int i = 0; i < 2 * BASES_MAX; i += 64) {
		(void)snprintf(data, sizeof(data), "volumes/v/%d", i);
		const struct mark expected = mark_of(data, strlen(data));
		const struct base *base = bases_find(b, data, SEGMENT_CONTENT);

		assert_non_null(base);
		assert_int_equal(bases_marks(b, base, 0, &mark, 1), 1);
		assert_true(mark_equal(&mark, &expected));
		assert_int_equal(bases_marks(b, base, 1, &mark, 1), 0);
	}
	assert_null(bases_find(b, "volumes/v/1", SEGMENT_CONTENT));
	recipe_free(&recipe);
	bases_free_at(&b);
	(void)close(dir);
}

static void
test_recipe_parts(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct recipe whole = RECIPE_INIT, parts = RECIPE_INIT;
		struct recipe_cursor cursor = {0};
		uint64_t at = 0;

		for (size_t i = 1 + below(40); i > 0; i--)
			recipe_add(
				&whole, below(3) == 0 ? below(1000) : 5000 + recipe_chunks(&whole));
		while (at < recipe_chunks(&whole)) {
			const uint64_t left = recipe_chunks(&whole) - at;
			const uint64_t count = 1 + below((size_t)left);

			recipe_add_part(&parts, &whole, &cursor, at, count);
			at += count;
		}
		assert_true(recipe_equal(&whole, &parts));
		recipe_free(&whole);
		recipe_free(&parts);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_recipe_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
