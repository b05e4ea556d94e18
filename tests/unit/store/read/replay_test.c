/*
 * Goal: the download is the stored frames with a valid seek table, from any byte to any other, and
 * no flipped, missing or cut-off byte comes through as data.
 */
#include "tests/unit/store/sample.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

enum { PAGE = 16 << 10 };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data;
	size_t len;
	char id[ID_SIZE];
	struct replay *replay;
	unsigned char *archive;
	int64_t archive_len;
};

/* More chunks than a mark stands for, in an order that makes most runs short. */
static void
shuffled_put(struct state *t, size_t pages)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe put = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	SCOPED(free_at) unsigned char *plain = bytes_noise(pages * PAGE, 21);
	struct err e;

	for (size_t i = 0; i < pages; i++) /* three quarters of it compress well */
		memset(plain + i * PAGE, (int)i, 3 * PAGE / 4);
	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_PAGES_16, plain, pages * PAGE, 1 << 20, &put, &e));
	assert_int_equal(put.count, 1);
	t->len = pages * PAGE;
	t->data = mem_new(t->len);
	for (size_t i = 0; i < pages; i++) {
		const size_t from = i % 3 == 0 ? pages - 1 - i : i;
		recipe_add(&recipe, put.runs[0].first + from);
		memcpy(t->data + i * PAGE, plain + from * PAGE, PAGE);
	}
	id_new(t->id);
	must(backups_begin(t->store, t->id, 1, record, &e));
	must(ingest_commit(in, t->id, "{}", &recipe, &e));
}

static int
set_up(void **context)
{
	const struct store_options options = {
		.secret = SAMPLE_SECRET, .pack_bytes = 4 << 20, .reserve_bytes = -1};
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	must(store_open(t->folder, &options, &t->store, &e));
	shuffled_put(t, 1500);
	must(replay_open(t->store, t->id, &t->replay, &e));
	t->archive_len = replay_archive_bytes(t->replay);
	t->archive = mem_new((size_t)t->archive_len);
	must(replay_archive(t->replay, 0, t->archive, (size_t)t->archive_len, &e));
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	replay_close(t->replay);
	store_close(t->store);
	folder_drop(t->folder);
	free(t->data);
	free(t->archive);
	free(t);
	return 0;
}

static void
test_plain_bytes(void **context)
{
	struct state *t = *context;
	struct err e;

	must(backup_compare(t->store, t->id, t->data, t->len, &e));
}

/* From any plain byte on, forth and back, in the same chunk and over marks. */
static void
test_plain_seek(void **context)
{
	struct state *t = *context;
	struct source plain = replay_plain(t->replay);
	unsigned char some[3000];
	uint32_t random = 5;
	struct err e;

	for (int i = 0; i < 400; i++) {
		size_t done = 0;
		size_t at = i % 4 == 0 ? t->len - (size_t)i : (random >> 4) % t->len;

		random = random * 1664525 + 1013904223;
		at = i % 7 == 0 ? at / PAGE * PAGE : at;
		must(replay_plain_seek(t->replay, (int64_t)at, &e));
		assert_int_equal(replay_plain_at(t->replay), at);
		while (done < sizeof(some)) {
			const ssize_t got =
				source_read(&plain, some + done, sizeof(some) - done, &e);
			assert_true(got >= 0);
			if (got == 0)
				break;
			done += (size_t)got;
		}
		assert_int_equal(done, t->len - at < sizeof(some) ? t->len - at : sizeof(some));
		assert_memory_equal(some, t->data + at, done);
		assert_int_equal(replay_plain_at(t->replay), at + done);
	}
	must(replay_plain_seek(t->replay, (int64_t)t->len, &e));
	assert_int_equal(source_read(&plain, some, sizeof(some), &e), 0);
	assert_int_equal(replay_plain_seek(t->replay, (int64_t)t->len + 1, &e), -1);
	assert_int_equal(e.code, ERR_RANGE);
	assert_int_equal(replay_plain_seek(t->replay, -1, &e), -1);
}

/* Long stretches, which are read ahead, broken off for others near and far, and at the end. */
static void
test_plain_stretches(void **context)
{
	struct state *t = *context;
	struct source plain = replay_plain(t->replay);
	SCOPED(free_at) unsigned char *some = mem_new(t->len);
	uint32_t random = 11;
	struct err e;

	for (int i = 0; i < 60; i++) {
		const size_t at = i % 5 == 0 ? 0 : (random >> 4) % t->len;
		const size_t end = i % 3 == 0 ? t->len : at + (random >> 8) % (t->len - at);
		size_t done = at;

		random = random * 1664525 + 1013904223;
		must(replay_plain_seek(t->replay, (int64_t)at, &e));
		while (done < end) {
			const size_t left = end - done;
			const ssize_t got =
				source_read(&plain, some + done, left < 100000 ? left : 100000, &e);

			assert_true(got > 0);
			done += (size_t)got;
		}
		assert_memory_equal(some + at, t->data + at, end - at);
		assert_int_equal(replay_plain_at(t->replay), end);
		if (end == t->len)
			assert_int_equal(source_read(&plain, some, 1, &e), 0);
	}
}

static uint32_t
number_at(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

/* zstd's contrib/seekable_format: every frame is found by the table and decompresses by itself. */
static void
test_seek_table(void **context)
{
	struct state *t = *context;
	const unsigned char *end = t->archive + t->archive_len;
	const uint32_t frames = number_at(end - 9);
	const unsigned char *table = end - 9 - 8 * (size_t)frames;
	unsigned char plain[PAGE];
	size_t at = 0;

	assert_int_equal(number_at(end - 4), 0x8F92EAB1);
	assert_int_equal(end[-5], 0);
	assert_int_equal(frames, t->len / PAGE);
	assert_int_equal(number_at(table - 8), 0x184D2A5E);
	assert_int_equal(number_at(table - 4), 8 * frames + 9);
	for (uint32_t i = 0; i < frames; i++) {
		const uint32_t stored = number_at(table + 8 * (size_t)i);
		const uint32_t len = number_at(table + 8 * (size_t)i + 4);
		assert_int_equal(len, PAGE);
		assert_int_equal(
			ZSTD_decompress(plain, sizeof(plain), t->archive + at, stored), len);
		assert_memory_equal(plain, t->data + (size_t)i * PAGE, len);
		at += stored;
	}
	assert_ptr_equal(t->archive + at, table - 8);
}

static void
test_zstd_opens_it(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *plain = mem_format("%s/run/plain", t->folder);
	SCOPED(free_at) char *archive = mem_format("%s/run/archive.zst", t->folder);
	SCOPED(free_at)
	char *command = mem_format("zstd -qt %s && zstd -qdc %s | cmp - %s && "
				   "find %s/packs -name '%s' -exec zstd -qt --no-progress "
				   "--format=zstd '{}' +",
		archive, archive, plain, t->folder, SAMPLE_PLAIN ? "*.zpk" : "none");

	file_put(archive, t->archive, (size_t)t->archive_len);
	file_put(plain, t->data, t->len);
	assert_int_equal(system(command), 0);
}

static void
range_check(struct state *t, int64_t from, int64_t len)
{
	SCOPED(free_at) unsigned char *got = mem_new((size_t)len + 1);
	const int64_t left = t->archive_len - from;
	const int64_t expected = left < 0 ? 0 : left < len ? left : len;
	struct err e;
	ssize_t n;

	got[len] = 0x5A;
	must(n = replay_archive(t->replay, from, got, (size_t)len, &e));
	assert_int_equal(n, expected);
	assert_int_equal(got[len], 0x5A);
	if (expected > 0 && memcmp(got, t->archive + from, (size_t)expected) != 0)
		fail_msg("other bytes from %lld on, %lld long", (long long)from, (long long)len);
}

static void
test_ranges(void **context)
{
	struct state *t = *context;
	const int64_t end = t->archive_len;
	const int64_t table = end - 9 - 8 * (int64_t)(t->len / PAGE) - 8;
	const int64_t edges[] = {0, 1, table - 1, table, table + 1, table + 7, table + 8, table + 9,
		end - 10, end - 9, end - 8, end - 1, end, end + 1, end / 2, end / 3};

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		range_check(t, edges[i], 1);
		range_check(t, edges[i], 100);
		range_check(t, edges[i], 300000);
		range_check(t, edges[i], end);
	}
	/* each byte before, at and behind the border of two frames, from the end to the start */
	int64_t at = table;
	for (size_t i = t->len / PAGE; i-- > 0;) {
		at -= number_at(t->archive + table + 8 + 8 * i);
		for (int64_t step = at == 0 ? 0 : -1; step <= 1; step++) {
			range_check(t, at + step, 1);
			range_check(t, at + step, 2);
		}
	}
	assert_int_equal(at, 0);
}

static void
test_two_sources(void **context)
{
	struct state *t = *context;
	unsigned char piece[1000];
	struct err e;

	for (int i = 0; i < 2; i++) {
		const struct source s = replay_plain(t->replay);
		for (size_t at = 0; at < 50000;) {
			ssize_t n;
			must(n = source_read(&s, piece, sizeof(piece), &e));
			assert_true(n > 0);
			assert_memory_equal(piece, t->data + at, (size_t)n);
			at += (size_t)n;
			range_check(t, (int64_t)at, 10); /* both kinds of reading, mixed */
		}
	}
}

static void
test_deleted_meanwhile(void **context)
{
	struct state *t = *context;
	SCOPED(replay_close_at) struct replay *other = NULL;
	struct err e;

	must(backups_delete(t->store, t->id, &e));
	range_check(t, 0, t->archive_len);
	must_fail(replay_open(t->store, t->id, &other, &e), ERR_NOT_FOUND);
	must_fail(backups_delete(t->store, t->id, &e), ERR_NOT_FOUND);
}

/* The store again, with one small backup in one pack. */
static int
set_up_small(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	const struct store_options options = {.secret = SAMPLE_SECRET, .reserve_bytes = -1};
	struct err e;

	t->folder = folder_make();
	must(store_open(t->folder, &options, &t->store, &e));
	t->len = 60000; /* one chunk */
	t->data = bytes_text(t->len, 22);
	must(backup_put(t->store, t->data, t->len, t->id, &e));
	must(replay_open(t->store, t->id, &t->replay, &e));
	*context = t;
	return 0;
}

/* Bit 4 is left alone: in a frame's descriptor it is unused, and readers must ignore it (RFC 8878).
 */
static void
flip(int fd, off_t at)
{
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x21;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void
test_flipped_bytes_are_found(void **context)
{
	struct state *t = *context;
	const int64_t frames = replay_archive_bytes(t->replay) - 17 - 8;
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	struct err e;

	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 96 + 96 + frames); /* then the recipe's record */
	for (off_t at = 0; at < st.st_size; at += at < 300 ? 1 : 997) {
		flip(fd, at);
		const int result = backup_compare(t->store, t->id, t->data, t->len, &e);
		if (at < 96 || at >= 96 + 96 + frames) {
			must(result); /* not this backup's bytes */
		} else {
			must_fail(result, ERR_CORRUPT);
			assert_non_null(strstr(e.text, strrchr(path, '/')));
			assert_non_null(strstr(e.text, " at 96: "));
		}
		flip(fd, at);
	}
	must(backup_compare(t->store, t->id, t->data, t->len, &e));
}

/* Damage in the midst of what is read ahead: all before it comes, it does not, all behind does. */
static void
test_damage_ahead(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, false);
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	SCOPED(free_at) unsigned char *some = mem_new(t->len);
	const struct source plain = replay_plain(t->replay);
	size_t at = 0, lost = 0;
	struct stat st;
	struct err e;

	assert_int_equal(fstat(fd, &st), 0);
	flip(fd, st.st_size / 2);
	while (at < t->len) {
		const ssize_t got = source_read(&plain, some, 50000, &e);

		if (got > 0) {
			assert_memory_equal(some, t->data + at, (size_t)got);
			at += (size_t)got;
			continue;
		}
		assert_int_equal(got, -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_non_null(strstr(e.text, strrchr(path, '/')));
		assert_int_equal(at % PAGE, 0);
		lost++;
		at += PAGE;
		must(replay_plain_seek(t->replay, (int64_t)at, &e));
	}
	assert_in_range(lost, 1, 4); /* the order of set_up has some pages more than once */
	flip(fd, st.st_size / 2);
	must(backup_compare(t->store, t->id, t->data, t->len, &e));
}

static void
test_a_flipped_header_ends_the_download(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char got[100];
	struct err e;

	for (off_t at = 96; at < 192; at++) {
		flip(fd, at);
		must_fail((int)replay_archive(t->replay, 0, got, sizeof(got), &e), ERR_CORRUPT);
		flip(fd, at);
	}
	must(replay_archive(t->replay, 0, got, sizeof(got), &e));
}

static void
test_a_pack_cut_off_or_gone(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	unsigned char got[100];
	struct err e;

	assert_int_equal(truncate(path, 1000), 0);
	must_fail((int)replay_archive(t->replay, 0, got, sizeof(got), &e), ERR_CORRUPT);
	must_fail(backup_compare(t->store, t->id, t->data, t->len, &e), ERR_CORRUPT);
	assert_int_equal(unlink(path), 0);
	must_fail(backup_compare(t->store, t->id, t->data, t->len, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, strrchr(path, '/')));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_bytes), cmocka_unit_test(test_seek_table),
		cmocka_unit_test(test_plain_seek), cmocka_unit_test(test_plain_stretches),
		cmocka_unit_test(test_zstd_opens_it), cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_two_sources),
		cmocka_unit_test(test_deleted_meanwhile), /* the last with this store */
	};
	const struct CMUnitTest faults[] = {
		cmocka_unit_test_setup_teardown(test_damage_ahead, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_flipped_bytes_are_found, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_flipped_header_ends_the_download, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_pack_cut_off_or_gone, set_up_small, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down) +
	       cmocka_run_group_tests(faults, NULL, NULL);
}
