/* Goal: what was committed comes back byte for byte, what was not is not there, and a fault or a
 * crash at any system call loses nothing that was committed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/backups.h"
#include "store/ingest.h"
#include "store/replay.h"
#include "store/store.h"

enum { DATA_LEN = 3 * 1024 * 1024 + 123, SMALL_LEN = 300 * 1024 };

static const struct store_options small_store = {.reserve_bytes = -1};

struct fixture {
	char path[64];
	unsigned char *data;
};

/* Pseudo-random, yet compressible: words out of 64. */
static void
fill(unsigned char *data, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
		data[i] = (unsigned char)('0' + (seed >> 58));
	}
}

static int
setup(void **state)
{
	struct fixture *f = mem_new(sizeof(*f));

	(void)strcpy(f->path, "/tmp/fb-store-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->data = mem_new(DATA_LEN);
	fill(f->data, DATA_LEN, 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f->data);
	free(f);
	return 0;
}

static struct store *
open_store(const struct fixture *f, const struct io *io)
{
	struct store_options options = small_store;
	struct store *s = NULL;
	struct err e;

	options.io = io;
	if (store_open(f->path, &options, &s, &e) != 0)
		fail_msg("%s", e.text);
	return s;
}

/* Put ${data} as one stream and commit it as a backup. */
static int
make_backup(struct store *s, const void *data, size_t len, char id[ID_SIZE], int64_t *ret_stored,
	struct err *e)
{
	struct ingest *in = NULL;
	struct recipe recipe = RECIPE_INIT;
	struct ingest_totals totals = {0};
	json_t *record = json_object();
	int status;

	id_new(id);
	status = backups_begin(s, id, clock_real_ns(), record, e);
	if (status == 0)
		status = ingest_open(s, &in, e);
	if (status == 0) {
		ingest_begin(in, CUT_CONTENT);
		status = ingest_write(in, data, len, e) == 0 && ingest_end(in, &recipe, e) == 0 &&
					 ingest_totals(in, &recipe, &totals, e) == 0 &&
					 ingest_commit(in, id, "{\"a\":1}", &recipe, e) == 0
				 ? 0
				 : -1;
	}
	if (ret_stored != NULL)
		*ret_stored = totals.stored_bytes;
	ingest_close(in);
	recipe_free(&recipe);
	json_decref(record);
	return status;
}

static void
check_plain(struct store *s, const char *id, const unsigned char *data, size_t len)
{
	struct replay *r = NULL;
	unsigned char piece[70000];
	struct source source;
	size_t at = 0;
	ssize_t got;
	struct err e;

	if (replay_open(s, id, &r, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(replay_plain_bytes(r), len);
	source = replay_plain(r);
	while ((got = source_read(&source, piece, sizeof(piece), &e)) > 0) {
		assert_true((size_t)got <= len - at);
		assert_memory_equal(piece, data + at, (size_t)got);
		at += (size_t)got;
	}
	assert_int_equal(got, 0);
	assert_int_equal(at, len);
	replay_close(r);
}

static unsigned char *
download(struct replay *r, size_t *ret_len)
{
	const int64_t len = replay_archive_bytes(r);
	unsigned char *archive = mem_new((size_t)len + 1);
	int64_t at = 0;
	ssize_t got;
	struct err e;

	while ((got = replay_archive(r, at, archive + at, (size_t)(len - at) + 1, &e)) > 0)
		at += got;
	assert_int_equal(got, 0);
	assert_int_equal(at, len);
	*ret_len = (size_t)len;
	return archive;
}

static void
test_round_trip(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	struct replay *r = NULL;
	char id[ID_SIZE];
	unsigned char *archive, *plain = mem_new(DATA_LEN + 1);
	ZSTD_DCtx *context = ZSTD_createDCtx();
	size_t len;
	struct err e;

	assert_int_equal(make_backup(s, f->data, DATA_LEN, id, NULL, &e), 0);
	check_plain(s, id, f->data, DATA_LEN);
	assert_int_equal(replay_open(s, id, &r, &e), 0);
	archive = download(r, &len);
	/* All frames one after the other, the skippable ones skipped. */
	ZSTD_inBuffer in = {archive, len, 0};
	ZSTD_outBuffer out = {plain, DATA_LEN + 1, 0};
	while (in.pos < in.size) {
		const size_t left = ZSTD_decompressStream(context, &out, &in);

		assert_false(ZSTD_isError(left));
	}
	assert_int_equal(out.pos, DATA_LEN);
	assert_memory_equal(plain, f->data, DATA_LEN);
	for (int64_t first = 0; first < (int64_t)len; first += (int64_t)len / 37 + 1) {
		unsigned char piece[5000];
		ssize_t got = replay_archive(r, first, piece, sizeof(piece), &e);

		assert_true(got > 0);
		assert_memory_equal(piece, archive + first, (size_t)got);
	}
	assert_int_equal(replay_archive(r, (int64_t)len, plain, 10, &e), 0);
	replay_close(r);
	ZSTD_freeDCtx(context);
	free(archive);
	free(plain);
	store_close(s);
}

static void
test_stored_once(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	char a[ID_SIZE], b[ID_SIZE];
	int64_t first, second;
	struct err e;

	assert_int_equal(make_backup(s, f->data, DATA_LEN, a, &first, &e), 0);
	assert_int_equal(make_backup(s, f->data, DATA_LEN, b, &second, &e), 0);
	assert_true(first > DATA_LEN / 3);
	assert_true(second < 4096);
	assert_int_equal(backups_delete(s, a, &e), 0);
	assert_int_equal(backups_delete(s, a, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	check_plain(s, b, f->data, DATA_LEN);
	store_close(s);
	s = open_store(f, NULL);
	check_plain(s, b, f->data, DATA_LEN);
	store_close(s);
}

static void
test_segment_cache(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	const unsigned char key[KEY_SIZE] = {1, 2, 3};
	struct recipe put = RECIPE_INIT, found = RECIPE_INIT;
	struct ingest *in = NULL;
	struct err e;

	assert_int_equal(ingest_open(s, &in, &e), 0);
	assert_int_equal(ingest_find_segment(in, key, &found, &e), 0);
	ingest_begin(in, CUT_WHOLE);
	assert_int_equal(ingest_write(in, f->data, 1000, &e), 0);
	assert_int_equal(ingest_end(in, &put, &e), 0);
	ingest_keep_segment(in, key, &put);
	assert_int_equal(ingest_find_segment(in, key, &found, &e), 1);
	assert_int_equal(ingest_checkpoint(in, &e), 0);
	ingest_close(in);
	store_close(s);
	s = open_store(f, NULL);
	recipe_clear(&found);
	assert_int_equal(ingest_open(s, &in, &e), 0);
	assert_int_equal(ingest_find_segment(in, key, &found, &e), 1);
	assert_int_equal(recipe_chunks(&found), recipe_chunks(&put));
	assert_int_equal(found.runs[0].first, put.runs[0].first);
	ingest_close(in);
	recipe_free(&put);
	recipe_free(&found);
	store_close(s);
}

static void
test_one_process(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL), *other = NULL;
	struct err e;

	assert_int_equal(store_open(f->path, &small_store, &other, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	store_close(s);
}

/* Flip a byte in the middle of every pack. */
static void
damage_packs(const struct fixture *f)
{
	char command[256];

	(void)snprintf(command, sizeof(command),
		"for p in %s/packs/*/*.zpk; do n=$(($(stat -c %%s $p) / 2)); "
		"printf '\\377\\000\\377\\001' | dd of=$p bs=1 seek=$n conv=notrunc 2>/dev/null; "
		"done",
		f->path);
	assert_int_equal(system(command), 0);
}

static void
test_damage_is_found(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	struct replay *r = NULL;
	unsigned char piece[70000];
	char id[ID_SIZE];
	struct source source;
	ssize_t got;
	struct err e;

	assert_int_equal(make_backup(s, f->data, DATA_LEN, id, NULL, &e), 0);
	damage_packs(f);
	assert_int_equal(replay_open(s, id, &r, &e), 0);
	source = replay_plain(r);
	while ((got = source_read(&source, piece, sizeof(piece), &e)) > 0)
		;
	assert_int_equal(got, -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	replay_close(r);
	store_close(s);
}

/* The ${at}-th changing system call ends the process, or fails with EIO. */
struct fault {
	long count, at;
	bool crash;
};

static bool
strikes(void *ctx)
{
	struct fault *f = ctx;

	if (++f->count != f->at)
		return false;
	if (f->crash)
		_exit(77);
	errno = EIO;
	return true;
}

static int
faulty_openat(void *ctx, int dir, const char *path, int flags, mode_t mode)
{
	return (flags & O_CREAT) != 0 && strikes(ctx)
		       ? -1
		       : io_system.openat(NULL, dir, path, flags, mode);
}

static ssize_t
faulty_pwrite(void *ctx, int fd, const void *data, size_t len, off_t offset)
{
	if (!strikes(ctx))
		return io_system.pwrite(NULL, fd, data, len, offset);
	(void)io_system.pwrite(NULL, fd, data, len / 2, offset); /* torn */
	errno = EIO;
	return -1;
}

static int
faulty_fdatasync(void *ctx, int fd)
{
	return strikes(ctx) ? -1 : io_system.fdatasync(NULL, fd);
}

static int
faulty_fsync(void *ctx, int fd)
{
	return strikes(ctx) ? -1 : io_system.fsync(NULL, fd);
}

static struct io
faulty_io(struct fault *fault)
{
	struct io io = io_system;

	io.openat = faulty_openat;
	io.pwrite = faulty_pwrite;
	io.fdatasync = faulty_fdatasync;
	io.fsync = faulty_fsync;
	io.ctx = fault;
	return io;
}

/* One backup whose ${at}-th call strikes; true if it never came to that. */
static bool
crash_at(const struct fixture *f, long at)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		struct fault fault = {.at = at, .crash = true};
		const struct io io = faulty_io(&fault);
		struct store_options options = small_store;
		struct store *s;
		char id[ID_SIZE];
		struct err e;

		options.io = &io;
		if (store_open(f->path, &options, &s, &e) != 0 ||
			make_backup(s, f->data + at, SMALL_LEN, id, NULL, &e) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 0);
	return WEXITSTATUS(status) == 0;
}

/* Every backup that is listed is complete and reads back. */
static size_t
check_listed(const struct fixture *f, const char *kept)
{
	struct store *s = open_store(f, NULL);
	json_t *list = NULL, *backup;
	size_t i, complete = 0;
	bool more;
	struct err e;

	check_plain(s, kept, f->data, SMALL_LEN);
	assert_int_equal(backups_list(s, 1000, NULL, &list, &more, &e), 0);
	json_array_foreach (list, i, backup) {
		const char *id = json_string_value(json_object_get(backup, "id"));
		struct replay *r = NULL;
		struct source source;
		char piece[4096];
		ssize_t got;

		assert_string_equal(
			json_string_value(json_object_get(backup, "state")), "complete");
		assert_int_equal(replay_open(s, id, &r, &e), 0);
		source = replay_plain(r);
		while ((got = source_read(&source, piece, sizeof(piece), &e)) > 0)
			;
		assert_int_equal(got, 0);
		replay_close(r);
		complete++;
	}
	json_decref(list);
	store_close(s);
	return complete;
}

static void
test_crash_anywhere(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	char kept[ID_SIZE];
	struct err e;
	long at = 1;

	assert_int_equal(make_backup(s, f->data, SMALL_LEN, kept, NULL, &e), 0);
	store_close(s);
	while (!crash_at(f, at)) {
		(void)check_listed(f, kept);
		assert_true(++at < 1000);
	}
	assert_true(at > 5); /* or the faults were never reached */
	assert_true(check_listed(f, kept) >= 2);
}

static void
test_fault_anywhere(void **state)
{
	const struct fixture *f = *state;
	struct store *s = open_store(f, NULL);
	char kept[ID_SIZE], id[ID_SIZE];
	struct err e;
	long at;
	int failed = 0;

	assert_int_equal(make_backup(s, f->data, SMALL_LEN, kept, NULL, &e), 0);
	store_close(s);
	for (at = 1; at < 1000; at++) {
		struct fault fault = {.at = at};
		const struct io io = faulty_io(&fault);
		struct store_options options = small_store;

		options.io = &io;
		if (store_open(f->path, &options, &s, &e) != 0) {
			failed++;
			continue;
		}
		const int status = make_backup(s, f->data + at, SMALL_LEN, id, NULL, &e);

		if (status != 0) {
			failed++;
			assert_true(e.code == ERR_IO || e.code == ERR_NO_SPACE);
			assert_int_equal(backups_fail(s, id, NULL, &e), 0);
			/* The store goes on in another pack. */
			assert_int_equal(make_backup(s, f->data + at, SMALL_LEN, id, NULL, &e), 0);
			check_plain(s, id, f->data + at, SMALL_LEN);
		}
		store_close(s);
		(void)check_listed(f, kept);
		if (fault.count < at)
			break;
	}
	assert_true(failed > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stored_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segment_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crash_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fault_anywhere, setup, teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
