/*
 * Goal: a sweep gives back what no backup needs and takes nothing else: also on a full disk, and
 * when it meets damage.
 */
#include "tests/unit/store/pages.h"

#include <errno.h>

static void
digest_of(struct store *s, const char *id, char digest[65])
{
	SCOPED(replay_close_at) struct replay *r = NULL;
	struct err e;

	must(replay_open(s, id, &r, &e));
	(void)snprintf(digest, 65, "%s", replay_digest(r));
}

static void
test_nothing_to_sweep(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	char id[ID_SIZE];
	struct err e;

	must(sweep_run(t->store, NULL, &totals, &e));
	pages_put(t->store, t->data, LEN, id);
	reopen(t);
	const size_t files = whole_files(t->folder);
	for (int i = 0; i < 2; i++) {
		must(sweep_run(t->store, &fast, &totals, &e));
		assert_int_equal(totals.freed_bytes, 0);
		assert_int_equal(totals.packs_removed, 0);
	}
	assert_int_equal(whole_files(t->folder), files);
	must(backup_compare(t->store, id, t->data, LEN, &e));
	whole_check(t->store);
}

static void
test_dead_packs_go(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	struct store_stats before, after;
	char id[ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, LEN, id);
	reopen(t);
	must(store_stats(t->store, &before, &e));
	assert_int_equal(sweep_due(t->store, &e), 0);
	must(backups_delete(t->store, id, &e));
	assert_int_equal(sweep_due(t->store, &e), 1);
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(sweep_due(t->store, &e), 0);
	assert_int_equal(totals.chunks_removed, PAGES);
	assert_int_equal(totals.chunks_moved, 0);
	assert_true(totals.packs_removed >= 4);
	must(store_stats(t->store, &after, &e));
	assert_int_equal(after.chunks, 0);
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM ids"), 0);
	assert_int_equal(before.packs_bytes - after.packs_bytes, totals.freed_bytes - RECORD_SIZE);
	assert_int_equal(whole_files(t->folder), 1); /* the tombstone's, which is idle */
	whole_check(t->store);
	reopen(t);
	must(sweep_run(t->store, &fast, &totals, &e)); /* the tombstone is not needed any more */
	assert_int_equal(whole_files(t->folder), 0);
	pages_put(t->store, t->data, LEN, id);
	must(backup_compare(t->store, id, t->data, LEN, &e));
	whole_check(t->store);
}

static void
test_what_is_needed_moves(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	char all[ID_SIZE], some[ID_SIZE], digest[2][65];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_of(t->data, 1, 3, &len);
	struct err e;

	pages_put(t->store, t->data, LEN, all);
	pages_put(t->store, pages, len, some);
	reopen(t);
	digest_of(t->store, some, digest[0]);
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(totals.packs_removed, 0);
	must(backups_delete(t->store, all, &e));
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(totals.chunks_removed, PAGES - PAGES / 3);
	assert_int_equal(totals.chunks_moved, PAGES / 3);
	assert_true(totals.freed_bytes > LEN / 2);
	for (int i = 0; i < 2; i++) {
		must(backup_compare(t->store, some, pages, len, &e));
		digest_of(t->store, some, digest[1]);
		assert_string_equal(digest[0], digest[1]);
		whole_check(t->store);
		reopen(t);
	}
	must(sweep_run(t->store, &fast, &totals, &e));
	pages_put(t->store, t->data, LEN, all);
	must(backup_compare(t->store, all, t->data, LEN, &e));
}

/* A backup's record is all that is needed in a pack: it moves, and its row leads to it. */
static void
test_recipes_move(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	char some[ID_SIZE], dead[ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, PAGE, some);
	reopen(t);
	pages_put(t->store, t->data + PAGE, 4 * PAGE, dead);
	pages_put(t->store, t->data, PAGE, some); /* behind them, in their pack */
	reopen(t);
	const int64_t pack = whole_number(t->store, "SELECT max(pack) FROM recipes");
	must(backups_delete(t->store, dead, &e));
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(totals.packs_removed, 1);
	assert_true(whole_number(t->store, "SELECT max(pack) FROM recipes") > pack);
	for (int i = 0; i < 3; i++) {
		whole_check(t->store);
		must(backup_compare(t->store, some, t->data, PAGE, &e));
		reopen(t);
		must(sweep_run(t->store, &fast, &totals, &e));
		assert_int_equal(totals.packs_removed, 0);
	}
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM deletions"), 0);
}

/* The file of the pack in which that chunk stands; the caller's. */
static char *
path_of(struct state *t, int64_t number)
{
	SCOPED(free_at)
	char *sql = mem_format("SELECT lower(hex(uuid)) FROM chunks JOIN packs ON packs.id = pack"
			       " WHERE number = %lld",
		(long long)number);
	sqlite3_stmt *q = NULL;
	struct err e;
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(t->store->catalogue, &e);

	assert_int_equal(sqlite3_prepare_v2(c->db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	const char *hex = (const char *)sqlite3_column_text(q, 0);
	char *path = mem_format("%s/packs/%.2s/%s.zpk", t->folder, hex, hex);
	(void)sqlite3_finalize(q);
	return path;
}

/* Spoil the record of that chunk: ${at} bytes behind its start. */
static void
spoil(struct state *t, int64_t number, int64_t at)
{
	SCOPED(free_at)
	char *sql = mem_format("SELECT offset FROM chunks WHERE number = %lld", (long long)number);
	SCOPED(free_at) char *path = path_of(t, number);
	const int64_t offset = whole_number(t->store, sql);
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, offset + at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, offset + at), 1);
}

static bool
is_damaged(struct store *s, const char *id)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	struct err e;

	must(backups_get(s, id, &record, &e));
	return json_is_true(json_object_get(record, "damaged"));
}

static void
damage_beside(struct state *t, int64_t at)
{
	struct sweep_totals totals;
	char all[ID_SIZE], some[ID_SIZE], other[ID_SIZE];
	size_t len = 0, other_len = 0;
	SCOPED(free_at) unsigned char *pages = pages_of(t->data, 1, 3, &len);
	SCOPED(free_at) unsigned char *others = pages_of(t->data, 55, 1, &other_len);
	struct err e;

	pages_put(t->store, t->data, LEN, all);
	pages_put(t->store, pages, len, some);
	pages_put(t->store, others, other_len, other);
	reopen(t);
	must(backups_delete(t->store, all, &e));
	spoil(t, 5, at);  /* the second page of `some`: page 4 */
	spoil(t, 21, at); /* dead, in another pack: nobody minds */
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(totals.chunks_damaged, 1);
	assert_int_equal(totals.backups_damaged, 1);
	assert_true(is_damaged(t->store, some));
	assert_false(is_damaged(t->store, other));
	must(backup_compare(t->store, other, others, other_len, &e));
	must_fail(backup_compare(t->store, some, pages, len, &e), ERR_CORRUPT);
	whole_check(t->store);
	assert_true(totals.packs_removed >= 2);
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(totals.chunks_damaged, 0);
	assert_int_equal(totals.chunks_moved, 0);
	pages_put(t->store, t->data, LEN, all);
	must(backup_compare(t->store, all, t->data, LEN, &e));
	assert_false(is_damaged(t->store, all));
	reopen(t);
	assert_false(is_damaged(t->store, some)); /* its page was stored again */
	must(backup_compare(t->store, some, pages, len, &e));
	must(backup_compare(t->store, all, t->data, LEN, &e));
	whole_check(t->store);
}

static void
test_damage_is_not_carried_on(void **context)
{
	static const int64_t places[] = {20, 40, RECORD_SIZE + 3, RECORD_SIZE + 9000};
	struct state *t = *context;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		damage_beside(t, places[i]);
		assert_int_equal(tear_down((void **)&t), 0);
		assert_int_equal(set_up((void **)&t), 0);
	}
	*context = t;
}

/* A pack whose file is gone while the service runs: the others are swept, and the sweep says so. */
static void
test_a_pack_that_is_gone(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	SCOPED(free_at) char *aside = mem_format("%s/run/aside", t->folder);
	struct err e;

	SCOPED(free_at) char *path = path_of(t, 5);
	assert_int_equal(rename(path, aside), 0);
	must_fail(sweep_run(t->store, &fast, &totals, &e), ERR_CORRUPT);
	assert_true(totals.packs_removed > 0);
	assert_int_equal(rename(aside, path), 0);
	must(sweep_run(t->store, &fast, &totals, &e));
	must(backup_compare(t->store, some, pages, len, &e));
	whole_check(t->store);
}

/* Without its catalogue a store has packs in which nothing is needed. */
static void
test_an_unknown_past_is_not_swept(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *command = mem_format("rm %s/catalogue.db*", t->folder);
	struct sweep_totals totals;
	char id[ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, LEN, id);
	reopen(t);
	const size_t files = whole_files(t->folder);
	store_close(t->store);
	assert_int_equal(system(command), 0);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	must_fail(sweep_run(t->store, &fast, &totals, &e), ERR_CONFLICT);
	assert_int_equal(whole_files(t->folder), files);
}

static void
test_stale_segments_go(void **context)
{
	struct state *t = *context;
	struct ingest *in = NULL;
	struct recipe one = RECIPE_INIT, both = RECIPE_INIT, found = RECIPE_INIT;
	struct sweep_totals totals;
	char id[2][ID_SIZE];
	unsigned char key[2][KEY_SIZE] = {{1}, {2}};
	int64_t bytes;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_PAGES_16, t->data, LEN / 2, LEN, &one, &e));
	recipe_add_all(&both, &one);
	must(stream_put(in, CUT_PAGES_16, t->data + LEN / 2, LEN / 2, LEN, &both, &e));
	ingest_keep_segment(in, key[0], &one);
	ingest_keep_segment(in, key[1], &both);
	ingest_keep_stream(in, "one", &one, LEN / 2);
	ingest_keep_stream(in, "both", &both, LEN);
	must(pages_commit(in, &one, id[0], &e));
	must(pages_commit(in, &both, id[1], &e));
	ingest_close(in);
	reopen(t);
	must(backups_delete(t->store, id[1], &e));
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_true(totals.chunks_removed > 0);
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM segments"), 1);
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM streams"), 1);
	must(ingest_open(t->store, &in, &e));
	assert_int_equal(ingest_find_segment(in, key[0], &found, &e), 1);
	assert_int_equal(ingest_find_segment(in, key[1], &found, &e), 0);
	assert_int_equal(ingest_find_stream(in, "one", &found, &bytes, &e), 1);
	assert_int_equal(ingest_find_stream(in, "both", &found, &bytes, &e), 0);
	ingest_close(in);
	must(backup_compare(t->store, id[0], t->data, LEN / 2, &e));
	recipe_free(&one);
	recipe_free(&both);
	recipe_free(&found);
}

static bool
stop_at(void *ctx)
{
	return --*(long *)ctx <= 0;
}

/* Wherever a sweep is stopped, what the caches give can be used. */
static void
test_no_stale_segment_is_found(void **context)
{
	struct state *t = *context;
	const unsigned char key[KEY_SIZE] = {7};
	int result = -1;
	struct err e;

	for (long at = 1; result != 0; at++) {
		SCOPED(recipe_free) struct recipe all = RECIPE_INIT;
		SCOPED(recipe_free) struct recipe found = RECIPE_INIT;
		struct ingest *in = NULL;
		long left = at;
		const struct sweep_options options = {
			.bytes_per_second = -1, .stop = stop_at, .ctx = &left};
		struct sweep_totals totals;
		char id[ID_SIZE];
		must(ingest_open(t->store, &in, &e));
		must(stream_put(in, CUT_PAGES_16, t->data, LEN, LEN, &all, &e));
		ingest_keep_segment(in, key, &all);
		must(pages_commit(in, &all, id, &e));
		ingest_close(in);
		reopen(t);
		must(backups_delete(t->store, id, &e));
		result = sweep_run(t->store, &options, &totals, &e);
		must(ingest_open(t->store, &in, &e));
		const int hit = ingest_find_segment(in, key, &found, &e);
		must(hit);
		if (hit == 1) {
			must(pages_commit(in, &found, id, &e));
			must(backup_compare(t->store, id, t->data, LEN, &e));
			must(backups_delete(t->store, id, &e));
		}
		ingest_close(in);
		assert_true(at < 200);
	}
}

static void
test_one_at_a_time(void **context)
{
	struct state *t = *context;
	struct sweep_totals totals;
	struct err e;

	t->store->sweeping = true;
	must_fail(sweep_run(t->store, &fast, &totals, &e), ERR_BUSY);
	t->store->sweeping = false;
	must(sweep_run(t->store, &fast, &totals, &e));
}

static void
test_the_pace(void **context)
{
	struct state *t = *context;
	const struct sweep_options slow = {.bytes_per_second = 2 << 20};
	struct sweep_totals totals;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	struct err e;

	const int64_t since = clock_mono_ns();
	must(sweep_run(t->store, &slow, &totals, &e));
	/* 20 pages read and written at 2 MiB/s, of which 100 ms go ahead of time */
	assert_in_range(clock_since_ms(since), 180, 20000);
}

/* Fill the file system of the store to the last byte. */
static void
disk_fill(struct store *s)
{
	SCOPED(free_at) char *block = mem_new(1 << 16);
	const int fd =
		openat(store_fd(s), "run/filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t len = 1 << 16; len > 0; len /= 2) {
		while (write(fd, block, len) > 0)
			continue;
		assert_int_equal(errno, ENOSPC);
	}
	(void)close(fd);
}

static void
test_a_full_disk(void **context)
{
	const struct store_options options = {
		.secret = SAMPLE_SECRET, .reserve_bytes = 2 << 20, .pack_bytes = 256 << 10};
	struct state *t = *context;
	SCOPED(free_at) char *disk = mem_format("%s/run", t->folder);
	struct sweep_totals totals;
	char all[ID_SIZE], some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_of(t->data, 1, 3, &len);
	struct store *s = NULL;
	struct err e;

	if (mount("none", disk, "tmpfs", 0, "size=8m") != 0) {
		print_message("no file system may be mounted here: skipped\n");
		skip();
	}
	must(store_open(disk, &options, &s, &e));
	pages_put(s, t->data, LEN, all);
	pages_put(s, pages, len, some);
	disk_fill(s);
	store_close(s);
	must(store_open(disk, &options, &s, &e));
	disk_fill(s);
	must(backups_delete(s, all, &e));
	disk_fill(s);
	must(sweep_run(s, &fast, &totals, &e));
	assert_true(totals.freed_bytes > LEN / 2);
	must(backup_compare(s, some, pages, len, &e));
	whole_check(s);
	store_close(s);
	must(store_open(disk, &options, &s, &e));
	must(backup_compare(s, some, pages, len, &e));
	store_close(s);
	assert_int_equal(umount(disk), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_nothing_to_sweep),
		CASE(test_dead_packs_go),
		CASE(test_what_is_needed_moves),
		CASE(test_recipes_move),
		CASE(test_damage_is_not_carried_on),
		CASE(test_a_pack_that_is_gone),
		CASE(test_an_unknown_past_is_not_swept),
		CASE(test_stale_segments_go),
		CASE(test_no_stale_segment_is_found),
		CASE(test_one_at_a_time),
		CASE(test_the_pace),
		CASE(test_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
