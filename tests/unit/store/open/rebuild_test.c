/*
 * Goal: a catalogue that is made from the packs alone is the same as the live one, row by row; a
 * deleted backup does not come back; damage costs what is damaged.
 */
#include "tests/unit/store/pages.h"

#include "store/open/rebuild.h"
#include "tests/unit/store/faults.h"

/* What both must have in common; rowids of packs are not, their uuids are. */
static const char *const compared[] = {
#ifdef SAMPLE_ENCRYPTED /* each time with another nonce: the lists are compared by their other     \
			   columns */
	"SELECT id, created_ns, seq, state, damaged FROM backups WHERE state = 'complete'"
#else
	"SELECT id, created_ns, seq, state, damaged, record FROM backups WHERE state = 'complete'"
#endif
	" ORDER BY id",
	"SELECT backup, hex(uuid), offset, plain, stored, digest, hex(marks), hex(recipe)"
	" FROM recipes JOIN packs ON packs.id = pack ORDER BY backup",
	"SELECT number, hex(uuid), offset, ordinal, plain, stored, bad, hex(chunks.id)"
	" FROM chunks JOIN packs ON packs.id = pack ORDER BY number",
	"SELECT prefix, number FROM ids ORDER BY prefix, number",
	"SELECT hex(uuid), state, bytes, records FROM packs ORDER BY uuid",
	"SELECT chunks, plain, stored FROM counts",
};

static sqlite3_stmt *
query(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
	return q;
}

static void
same_rows(sqlite3 *a, sqlite3 *b, const char *sql)
{
	sqlite3_stmt *x = query(a, sql);
	sqlite3_stmt *y = query(b, sql);
	int more = SQLITE_ROW;

	while (more == SQLITE_ROW) {
		more = sqlite3_step(x);
		if (sqlite3_step(y) != more)
			fail_msg("one has more rows: %s", sql);
		for (int i = 0; more == SQLITE_ROW && i < sqlite3_column_count(x); i++)
			assert_string_equal(sqlite3_column_text(x, i), sqlite3_column_text(y, i));
	}
	(void)sqlite3_finalize(x);
	(void)sqlite3_finalize(y);
}

/* Close, rebuild, compare with the old one, open. */
static struct rebuild_totals
rebuilt(struct state *t, bool compare)
{
	SCOPED(free_at) char *new = mem_format("%s/catalogue.db", t->folder);
	SCOPED(free_at) char *old = mem_format("%s/catalogue.db.old", t->folder);
	struct rebuild_totals totals;
	sqlite3 *db[2] = {NULL, NULL};
	struct err e;

	store_close(t->store);
	must(rebuild_run(t->folder, &sample_options, &totals, &e));
	if (compare) {
		assert_int_equal(sqlite3_open(old, &db[0]), SQLITE_OK);
		assert_int_equal(sqlite3_open(new, &db[1]), SQLITE_OK);
		for (size_t i = 0; i < sizeof(compared) / sizeof(*compared); i++)
			same_rows(db[0], db[1], compared[i]);
		(void)sqlite3_close(db[0]);
		(void)sqlite3_close(db[1]);
	}
	must(store_open(t->folder, &sample_options, &t->store, &e));
	whole_check(t->store);
	return totals;
}

static void
test_the_same_as_the_live_one(void **context)
{
	struct state *t = *context;
	size_t len = 0;
	char all[ID_SIZE], some[ID_SIZE];
	SCOPED(free_at) unsigned char *pages = pages_of(t->data, 1, 3, &len);
	struct rebuild_totals totals = rebuilt(t, true);
	struct err e;

	assert_int_equal(totals.packs, 0);
	pages_put(t->store, t->data, LEN, all);
	pages_put(t->store, pages, len, some);
	for (int i = 0; i < 2; i++) { /* also a rebuilt one */
		totals = rebuilt(t, true);
		assert_int_equal(totals.backups, 2);
		assert_int_equal(totals.chunks, PAGES);
		assert_int_equal(totals.records_damaged, 0);
		must(backup_compare(t->store, all, t->data, LEN, &e));
		must(backup_compare(t->store, some, pages, len, &e));
	}
	pages_put(t->store, t->data, LEN, all);
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM chunks"), PAGES);
}

static void
test_the_same_after_a_sweep(void **context)
{
	struct state *t = *context;
	struct sweep_totals swept;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	struct err e;

	must(sweep_run(t->store, &fast, &swept, &e));
	for (int i = 0; i < 3; i++) {
		const struct rebuild_totals totals = rebuilt(t, true);
		assert_int_equal(totals.backups, 1);
		must(backup_compare(t->store, some, pages, len, &e));
		must(sweep_run(t->store, &fast, &swept, &e));
	}
	must(backups_delete(t->store, some, &e));
	must(sweep_run(t->store, &fast, &swept, &e));
	assert_int_equal(rebuilt(t, false).backups, 0);
}

static bool
stop_at(void *ctx)
{
	return --*(long *)ctx <= 0;
}

/* Wherever the sweep is stopped: what it leaves has no trace of the backup, or nothing began. */
static void
test_a_deleted_backup_stays_so(void **context)
{
	struct state *t = *context;
	int result = -1;

	for (long at = 1; result != 0; at++) {
		char some[ID_SIZE];
		size_t len = 0;
		long left = at;
		SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
		const struct sweep_options options = {
			.bytes_per_second = -1, .stop = stop_at, .ctx = &left};
		struct sweep_totals swept;
		struct err e;
		result = sweep_run(t->store, &options, &swept, &e);
		const struct rebuild_totals totals = rebuilt(t, false);
		assert_int_equal(totals.backups, 1);
		assert_int_equal(totals.backups_damaged, 0);
		must(backup_compare(t->store, some, pages, len, &e));
		must(sweep_run(t->store, &fast, &swept, &e));
		must(backup_compare(t->store, some, pages, len, &e));
		assert_int_equal(rebuilt(t, false).backups, 1);
		assert_int_equal(tear_down((void **)&t), 0);
		assert_int_equal(set_up((void **)&t), 0);
		assert_true(at < 200);
	}
	*context = t;
}

/* Deleted and not swept since: it is listed again, and whole. */
static void
test_a_deletion_that_was_not_swept(void **context)
{
	struct state *t = *context;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	const struct rebuild_totals totals = rebuilt(t, false);
	struct err e;

	assert_int_equal(totals.backups, 2);
	assert_int_equal(totals.backups_damaged, 0);
	must(backup_compare(t->store, some, pages, len, &e));
}

/* Without any catalogue, or with bytes that are none, and a log beside it. */
static void
test_the_old_one_is_lost(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *catalogue = mem_format("%s/catalogue.db", t->folder);
	SCOPED(free_at) char *log = mem_format("%s/catalogue.db-wal", t->folder);
	SCOPED(free_at) unsigned char *noise = bytes_noise(8192, 84);
	struct rebuild_totals totals;
	char id[ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, LEN, id);
	for (int i = 0; i < 2; i++) {
		store_close(t->store);
		assert_int_equal(unlink(catalogue), 0);
		if (i == 1) {
			file_put(catalogue, noise, 8192);
			file_put(log, noise, 8192);
		}
		must(rebuild_run(t->folder, &sample_options, &totals, &e));
		must(store_open(t->folder, &sample_options, &t->store, &e));
		must(backup_compare(t->store, id, t->data, LEN, &e));
		whole_check(t->store);
	}
}

static void
test_damage_costs_what_is_damaged(void **context)
{
	static const off_t places[] = {RECORD_SIZE + 20, RECORD_SIZE + 500};
	struct state *t = *context;
	char id[2][ID_SIZE];
	struct err e;

	pages_put(t->store, t->data, 3 * PAGE, id[0]);
	pages_put(t->store, t->data + 3 * PAGE, 3 * PAGE, id[1]);
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	for (size_t i = 0; i < 2; i++) { /* a header, then a frame, of the first backup's */
		SCOPED(fd_close_at) int fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, "damage", 6, places[1 - i]), 6);
		const struct rebuild_totals totals = rebuilt(t, false);
		assert_int_equal(totals.backups, 2);
		assert_int_equal(totals.backups_damaged, 1);
		assert_int_equal(totals.records_damaged, 1);
		assert_int_equal(totals.chunks, i == 0 ? 6 : 5);
		must(backup_compare(t->store, id[1], t->data + 3 * PAGE, 3 * PAGE, &e));
		must_fail(backup_compare(t->store, id[0], t->data, 3 * PAGE, &e), ERR_CORRUPT);
	}
	pages_put(t->store, t->data, 3 * PAGE, id[0]);
	must(backup_compare(t->store, id[0], t->data, 3 * PAGE, &e));
}

static void
test_a_held_store_is_refused(void **context)
{
	struct state *t = *context;
	struct rebuild_totals totals;
	struct err e;

	must_fail(rebuild_run(t->folder, &sample_options, &totals, &e), ERR_BUSY);
}

static void
test_each_call_fails(void **context)
{
	struct state *t = *context;
	struct store_options options = sample_options;
	struct rebuild_totals totals;
	struct faults faults;
	bool hit = true;
	char id[ID_SIZE];
	long n = 0;
	struct err e;

	pages_put(t->store, t->data, LEN, id);
	while (hit) {
		faults_init(&faults, FAULT_ERROR, EIO);
		options.io = &faults.io;
		faults.at = ++n;
		store_close(t->store);
		const int result = rebuild_run(t->folder, &options, &totals, &e);
		hit = faults.hit;
		if (result != 0 && e.code != ERR_IO)
			fail_msg("call %ld: %s: %s", n, err_name(e.code), e.text);
		must(store_open(t->folder, &sample_options, &t->store, &e));
		must(backup_compare(t->store, id, t->data, LEN, &e));
		whole_check(t->store);
	}
	assert_in_range(n, 50, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_same_as_the_live_one),
		CASE(test_the_same_after_a_sweep),
		CASE(test_a_deleted_backup_stays_so),
		CASE(test_a_deletion_that_was_not_swept),
		CASE(test_the_old_one_is_lost),
		CASE(test_damage_costs_what_is_damaged),
		CASE(test_a_held_store_is_refused),
		CASE(test_each_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
