/* Goal: a large file that is compared page by page is known as it was read last, whatever was done
 * to it meanwhile; and only the pages that changed are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "archive/tar/member.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/backup/page_diff.h"

enum { SIZE = 9 << 20, MORE = 1 << 20, ROUNDS = 300, STEPS = 24 };

static uint64_t seed = 20261130;

static size_t
below(size_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % limit;
}

/* A file that changes, and what is known of it. */
struct world {
	int dir_fd;
	int fd; /* the file */
	struct live_pages *pages;
	struct live_file *file;
	struct page_diff diff;
	struct crew *crew;
	unsigned char *first; /* the stream of its first reading */
	size_t first_len;
	unsigned char *now; /* SIZE + MORE bytes, of which ${len} are the file's */
	size_t len;
	size_t steps;
	size_t stop_at; /* 0: never */
};

static size_t
stream_len(const struct world *w)
{
	return w->len + member_padding((int64_t)w->len);
}

static void
remember(struct world *w, const char *path)
{
	struct recipe recipe = RECIPE_INIT;
	const struct segment segment = {
		.kind = SEGMENT_CONTENT, .path = path, .bytes = (int64_t)stream_len(w)};

	memset(w->now + w->len, 0, SIZE + MORE - w->len);
	w->first_len = stream_len(w);
	w->first = (unsigned char *)mem_copy(w->now, w->first_len);
	live_pages_begin(w->pages);
	for (size_t at = 0; at < w->first_len;) {
		const size_t want = 1 + below(300000);
		const size_t len = want < w->first_len - at ? want : w->first_len - at;

		live_pages_chunk(w->pages, w->first + at, len);
		at += len;
	}
	recipe_add(&recipe, 1000);
	live_pages_keep(w->pages, &segment, true, &recipe);
	recipe_free(&recipe);
}

static void
world_open(struct world *w, bool hidden)
{
	*w = (struct world){.dir_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	w->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(w->fd >= 0);
	w->pages = live_pages_new(w->dir_fd, hidden);
	w->now = mem_new(SIZE + MORE);
	w->len = SIZE - below(70000);
	for (size_t i = 0; i < w->len; i++)
		w->now[i] = (unsigned char)below(256);
	remember(w, "volumes/v/other");
	free(TAKE(w->first));
	remember(w, "volumes/v/file");
	assert_null(live_pages_claim(w->pages, "volumes/v/none", SEGMENT_CONTENT));
	assert_null(live_pages_claim(w->pages, "volumes/v/file", SEGMENT_SPARSE));
	w->file = live_pages_claim(w->pages, "volumes/v/file", SEGMENT_CONTENT);
	assert_non_null(w->file);
	assert_null(live_pages_claim(w->pages, "volumes/v/file", SEGMENT_CONTENT));
	assert_true(w->file->stable);
}

static void
world_close(struct world *w)
{
	page_diff_clear(&w->diff);
	live_pages_free_at(&w->pages);
	free(w->first);
	free(w->now);
	(void)close(w->fd);
	(void)close(w->dir_fd);
}

static int
step(void *ctx, size_t len, struct err *e)
{
	struct world *w = ctx;

	(void)len;
	return w->stop_at != 0 && ++w->steps >= w->stop_at ? err_set(e, ERR_CANCELLED, "stop") : 0;
}

/* The first reading with the changes over it is the file as it is now. */
static void
check_known(const struct world *w)
{
	const size_t len = stream_len(w);
	unsigned char *known = mem_new(SIZE + 2 * MORE);
	struct err e;

	assert_int_equal(w->file->bytes, len);
	memcpy(known, w->first, w->first_len < len ? w->first_len : len);
	for (size_t i = 0; i < w->file->change_count; i++) {
		const struct live_change *c = &w->file->changes[i];
		const size_t at = (size_t)c->page * LIVE_PAGE;

		assert_true(i == 0 || w->file->changes[i - 1].page < c->page);
		if (at >= len)
			break;
		assert_int_equal(live_pages_load(w->pages, c->slot, known + at,
					 len - at < LIVE_PAGE ? len - at : LIVE_PAGE, &e),
			0);
	}
	assert_memory_equal(known, w->now, len);
	free(known);
}

static const unsigned char key[KEY_SIZE] = "as it is now";

/* Compare it as a file, or in pieces as a stream; returns the bytes that were kept. */
static size_t
compare(struct world *w, bool as_file)
{
	const int64_t before = w->diff.copied;
	const struct page_diff_input input = {.crew = w->crew,
		.fd = w->fd,
		.size = (int64_t)w->len,
		.changes_max = SIZE_MAX,
		.step = step,
		.ctx = w};
	struct err e;

	memset(w->now + w->len, 0, SIZE + MORE - w->len);
	page_diff_begin(&w->diff, w->pages, w->file);
	if (as_file) {
		assert_int_equal(ftruncate(w->fd, 0), 0);
		assert_int_equal(pwrite(w->fd, w->now, w->len, 0), (ssize_t)w->len);
		assert_int_equal(page_diff_file(&w->diff, &input, &e), 1);
	} else {
		for (size_t at = 0; at < stream_len(w);) {
			const size_t want = 1 + below(below(2) ? 1 << 20 : 20000);
			const size_t left = stream_len(w) - at, len = want < left ? want : left;

			assert_int_equal(page_diff_data(&w->diff, w->now + at, len, &e), 0);
			at += len;
		}
	}
	assert_int_equal(page_diff_end(&w->diff, key, true, &e), 0);
	assert_memory_equal(w->file->key, key, KEY_SIZE);
	check_known(w);
	return (size_t)(w->diff.copied - before);
}

static void
change_somehow(struct world *w)
{
	switch (below(5)) {
	case 0: /* appended */
		for (size_t more = below(100000); more > 0 && w->len < SIZE + MORE - 512; more--)
			w->now[w->len++] = (unsigned char)below(256);
		break;
	case 1: /* cut off */
		w->len -= below(below(4) == 0 ? w->len : 50000 < w->len ? 50000 : w->len);
		break;
	case 2: /* a stretch */
		for (size_t at = below(w->len + 1), n = below(200000); n > 0 && at < w->len; n--)
			w->now[at++] = (unsigned char)below(256);
		break;
	default: /* here and there */
		for (size_t n = below(60); n > 0 && w->len > 0; n--)
			w->now[below(w->len)]++;
	}
}

static void
check(bool as_file, bool hidden, struct crew *crew)
{
	struct world w;
	size_t at;

	world_open(&w, hidden);
	w.crew = crew;
	assert_int_equal(compare(&w, as_file), 0);
	at = below(w.len);
	w.now[at]++;
	assert_int_equal(
		compare(&w, as_file), (stream_len(&w) - at / LIVE_PAGE * LIVE_PAGE < LIVE_PAGE)
					      ? stream_len(&w) - at / LIVE_PAGE * LIVE_PAGE
					      : LIVE_PAGE);
	assert_int_equal(compare(&w, as_file), 0); /* it is known now */
	w.now[at]--;
	assert_true(compare(&w, as_file) > 0); /* as it was at first, but that was replaced */
	for (int i = 0; i < STEPS; i++) {
		change_somehow(&w);
		(void)compare(&w, as_file);
		assert_int_equal(compare(&w, !as_file), 0);
	}
	world_close(&w);
}

static void *
serve(void *crew)
{
	crew_serve(crew);
	return NULL;
}

static void
test_file(void **state)
{
	struct crew *crew = crew_new();
	pthread_t helper;

	(void)state;
	assert_int_equal(pthread_create(&helper, NULL, serve, crew), 0);
	check(true, false, NULL);
	check(true, false, crew);
	check(true, true, crew);
	crew_dismiss(crew);
	(void)pthread_join(helper, NULL);
	crew_free(crew);
}

static void
test_stream(void **state)
{
	(void)state;
	check(false, false, NULL);
	check(false, true, NULL);
}

/* Stopped, unreadable, too much: what was known stays known, and the next comparison is right. */
static void
test_given_up(void **state)
{
	struct world w;
	struct page_diff_input input = {.changes_max = 10, .step = step, .ctx = &w};
	unsigned char *before;
	struct err e;

	(void)state;
	world_open(&w, false);
	before = (unsigned char *)mem_copy(w.now, w.len);
	for (size_t i = 0; i < w.len; i += 5000)
		w.now[i]++;
	assert_int_equal(pwrite(w.fd, w.now, w.len, 0), (ssize_t)w.len);
	input.fd = w.fd;
	input.size = (int64_t)w.len;
	page_diff_begin(&w.diff, w.pages, w.file);
	assert_int_equal(page_diff_file(&w.diff, &input, &e), 0);
	input.changes_max = SIZE_MAX;
	w.stop_at = 7;
	page_diff_begin(&w.diff, w.pages, w.file);
	assert_int_equal(page_diff_file(&w.diff, &input, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	w.stop_at = 0;
	input.fd = w.dir_fd; /* reads fail with EISDIR */
	page_diff_begin(&w.diff, w.pages, w.file);
	assert_int_equal(page_diff_file(&w.diff, &input, &e), 0);
	assert_int_equal(w.file->change_count, 0);
	memcpy(w.now, before, w.len);
	assert_int_equal(compare(&w, true), 0);
	free(before);
	world_close(&w);
}

/* More files than it remembers: the smaller ones go, the larger ones stay right. */
static void
test_limit(void **state)
{
	const int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct live_pages *l = live_pages_new(dir, false);
	struct recipe recipe = RECIPE_INIT;
	char path[64];
	struct page_sum sum;

	(void)state;
	recipe_add(&recipe, 7);
	for (int i = 0; i < 2 * LIVE_FILES_MAX; i++) {
		const struct segment segment = {.kind = SEGMENT_CONTENT,
			.path = path,
			.bytes = i % 64 == 0 ? LIVE_BYTES_MIN * 16 : LIVE_BYTES_MIN};

		(void)snprintf(path, sizeof(path), "volumes/v/%d", i);
		live_pages_begin(l);
		live_pages_chunk(l, path, strlen(path));
		/* What it says of its size decides, here. */
		live_pages_keep(l, &segment, true, &recipe);
	}
	for (int i = 2 * LIVE_FILES_MAX - 64; i >= 0; i -= 64) {
		(void)snprintf(path, sizeof(path), "volumes/v/%d", i);
		const struct page_sum expected = page_sum_of(path, strlen(path));
		struct live_file *f = live_pages_claim(l, path, SEGMENT_CONTENT);

		assert_non_null(f);
		assert_int_equal(live_pages_sums(l, f, 0, &sum, 1), 1);
		assert_true(page_sum_equal(&sum, &expected));
		assert_int_equal(live_pages_sums(l, f, 1, &sum, 1), 0);
		live_pages_release(l, f);
	}
	assert_null(live_pages_claim(l, "volumes/v/1", SEGMENT_CONTENT));
	recipe_free(&recipe);
	live_pages_free_at(&l);
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
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_recipe_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
