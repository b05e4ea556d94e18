/*
 * Goal: a file is known to be what a backup has by the ids of chunks alone, wherever it is asked
 * for, never if a byte of it is another; chunks are written to one directly, and only whole and
 * good ones; reading the backup goes on where it was.
 */
#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sys/mman.h>

enum { LEN = 24 << 20, SHIFT = 777 };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data;
	char id[ID_SIZE];
	struct replay *replay;
	int fd; /* the data from SHIFT on */
};

static int
set_up(void **context)
{
	const struct store_options options = {.secret = SAMPLE_SECRET, .reserve_bytes = -1};
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	t->data = bytes_text(LEN, 3);
	t->fd = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(pwrite(t->fd, t->data, LEN, SHIFT), LEN);
	must(store_open(t->folder, &options, &t->store, &e));
	must(backup_put(t->store, t->data, LEN, t->id, &e));
	must(replay_open(t->store, t->id, &t->replay, &e));
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
	fd_close_at(&t->fd);
	free(t->data);
	free(t);
	return 0;
}

static void
read_and_compare(const struct source *plain, const unsigned char *data, size_t len)
{
	SCOPED(free_at) unsigned char *some = mem_new(len);
	struct err e;

	for (size_t done = 0; done < len;) {
		const ssize_t got = source_read(plain, some + done, len - done, &e);

		assert_true(got > 0);
		done += (size_t)got;
	}
	assert_memory_equal(some, data, len);
}

/* Any part: what is found lies in it, and what is not is less than a chunk at each end. */
static void
test_any_part(void **context)
{
	struct state *t = *context;
	const struct source plain = replay_plain(t->replay);
	int64_t from, len;
	uint32_t random = 7;
	struct err e;

	for (int i = 0; i < 60; i++) {
		const int64_t here = (random >> 4) % (LEN - 200000);
		const int64_t at = i == 0 ? 0 : i == 1 ? LEN - 3 : (random >> 6) % LEN;
		const int64_t most = i % 2 == 0 ? LEN - at : (random >> 8) % (LEN - at);

		random = random * 1664525 + 1013904223;
		must(replay_plain_seek(t->replay, here, &e));
		read_and_compare(&plain, t->data + here, 100);
		assert_int_equal(replay_file(t->replay,
					 &(struct replay_file){.use = REPLAY_COMPARE, .fd = t->fd},
					 at, most, at + SHIFT, &from, &len, &e),
			1);
		assert_true(from >= 0 && from < CHUNK_MAX && len >= 0);
		assert_true(len == 0 ? most < 2 * CHUNK_MAX
				     : from + len <= most && most - from - len < CHUNK_MAX);
		read_and_compare(&plain, t->data + here + 100, 100000);
	}
}

static void
flip(int fd, off_t at)
{
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void
check(struct state *t, int64_t most, int64_t fd_offset, int expected)
{
	int64_t from, len;
	struct err e;

	assert_int_equal(
		replay_file(t->replay, &(struct replay_file){.use = REPLAY_COMPARE, .fd = t->fd}, 0,
			most, fd_offset, &from, &len, &e),
		expected);
	assert_true(expected == 0 || (from == 0 && most - len < CHUNK_MAX));
}

/* A byte that is other, another place, a file that is too short. */
static void
test_another_file(void **context)
{
	struct state *t = *context;
	uint32_t random = 9;

	(void)replay_plain(t->replay);
	for (int i = 0; i < 40; i++) {
		const off_t at = i == 0 ? 0 : i == 1 ? LEN - 1 : (random >> 4) % LEN;

		random = random * 1664525 + 1013904223;
		flip(t->fd, at + SHIFT);
		check(t, LEN, SHIFT, 0);
		flip(t->fd, at + SHIFT);
	}
	check(t, LEN, SHIFT, 1);
	check(t, LEN, SHIFT + 1, 0);
	assert_int_equal(ftruncate(t->fd, LEN + SHIFT - 1), 0);
	check(t, LEN, SHIFT, 0);
	check(t, LEN - 1, SHIFT, 1);
}

/* Any part to a file: just the chunks that lie in it, nothing before or behind. */
static void
test_written(void **context)
{
	struct state *t = *context;
	const struct source plain = replay_plain(t->replay);
	SCOPED(free_at) unsigned char *got = mem_new(LEN + 2 * SHIFT);
	uint32_t random = 11;
	int64_t from, len;
	struct err e;

	for (int i = 0; i < 20; i++) {
		SCOPED(fd_close_at) int fd = memfd_create("written", MFD_CLOEXEC);
		const int64_t at = i == 0 ? 0 : (random >> 6) % LEN;
		const int64_t most = i < 2 ? LEN - at : (random >> 8) % (LEN - at);

		random = random * 1664525 + 1013904223;
		must(replay_plain_seek(t->replay, 1000, &e));
		assert_int_equal(
			replay_file(t->replay, &(struct replay_file){.use = REPLAY_WRITE, .fd = fd},
				at, most, SHIFT, &from, &len, &e),
			1);
		const ssize_t size = pread(fd, got, LEN + 2 * SHIFT, 0);

		assert_int_equal(size, len == 0 ? 0 : SHIFT + from + len);
		for (int64_t k = 0; len > 0 && k < SHIFT + from; k++)
			assert_int_equal(got[k], 0);
		assert_memory_equal(got + SHIFT + from, t->data + at + from, (size_t)len);
		read_and_compare(&plain, t->data + 1000, 5000);
	}
}

/* What the file is said not to have is put into a copy of it. */
struct mending {
	unsigned char *copy;
	int64_t len, last;
	int told;
};

static int
mend(void *ctx, const void *plain, size_t len, int64_t at, struct err *e)
{
	struct mending *m = ctx;

	(void)e;
	assert_true(at >= m->last && at + (int64_t)len <= m->len);
	assert_memory_not_equal(m->copy + at, plain, len);
	memcpy(m->copy + at, plain, len);
	m->last = at + (int64_t)len;
	m->told++;
	return 0;
}

/* Just the chunks that are other are told, and they make it equal; no more than the file has. */
static void
test_looked_at(void **context)
{
	struct state *t = *context;
	const struct source plain = replay_plain(t->replay);
	SCOPED(free_at) unsigned char *copy = mem_new(LEN);
	uint32_t random = 13;
	int64_t from, len;
	struct err e;

	for (int i = 0; i < 20; i++) {
		SCOPED(fd_close_at) int fd = memfd_create("looked at", MFD_CLOEXEC);
		const int64_t size = i % 3 == 0 ? LEN : (random >> 5) % LEN;
		struct mending m = {copy, size, 0, 0};

		memcpy(copy, t->data, (size_t)size);
		for (int k = 0; k < i && size > 0; k++) {
			random = random * 1664525 + 1013904223;
			copy[(random >> 4) % size] ^= 0x20;
		}
		assert_int_equal(pwrite(fd, copy, (size_t)size, 0), size);
		must(replay_plain_seek(t->replay, 1000, &e));
		const struct replay_file file = {REPLAY_LOOK, fd, mend, &m};

		assert_int_equal(replay_file(t->replay, &file, 0, LEN, 0, &from, &len, &e), 1);
		assert_int_equal(from, 0);
		assert_true(len <= size && size - len < CHUNK_MAX);
		assert_true(m.told <= i);
		assert_memory_equal(copy, t->data, (size_t)len);
		read_and_compare(&plain, t->data + 1000, 5000);
	}
}

static int
no_more(void *ctx, const void *plain, size_t len, int64_t at, struct err *e)
{
	(void)ctx;
	(void)plain;
	(void)len;
	(void)at;
	return err_set(e, ERR_CONFLICT, "that is enough");
}

static void
test_looked_at_no_longer(void **context)
{
	struct state *t = *context;
	const struct replay_file file = {.use = REPLAY_LOOK, .fd = t->fd, .differs = no_more};
	const struct source plain = replay_plain(t->replay);
	int64_t from, len;
	struct err e;

	read_and_compare(&plain, t->data, 1000);
	must_fail(replay_file(t->replay, &file, 0, LEN, 0, &from, &len, &e), ERR_CONFLICT);
	read_and_compare(&plain, t->data + 1000, 5000);
}

static void
test_cannot_be_written(void **context)
{
	struct state *t = *context;
	SCOPED(fd_close_at) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int64_t from, len;
	struct err e;

	(void)replay_plain(t->replay);
	must_fail(replay_file(t->replay, &(struct replay_file){.use = REPLAY_WRITE, .fd = fd}, 0,
			  LEN, 0, &from, &len, &e),
		ERR_NO_SPACE);
}

/* The store's own bytes do not matter: what is damaged there is found when it is read. */
static void
test_nothing_is_read_from_the_store(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, true);

	check(t, LEN - 1, SHIFT, 1);
	assert_int_equal(truncate(path, 1000), 0);
	check(t, LEN - 1, SHIFT, 1);
	SCOPED(fd_close_at) int fd = memfd_create("written", MFD_CLOEXEC);
	int64_t from, len;
	struct err e;

	must_fail(replay_file(t->replay, &(struct replay_file){.use = REPLAY_WRITE, .fd = fd}, 0,
			  LEN, 0, &from, &len, &e),
		ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_part), cmocka_unit_test(test_written),
		cmocka_unit_test(test_looked_at), cmocka_unit_test(test_looked_at_no_longer),
		cmocka_unit_test(test_cannot_be_written), cmocka_unit_test(test_another_file),
		cmocka_unit_test(
			test_nothing_is_read_from_the_store), /* the last with this store */
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
