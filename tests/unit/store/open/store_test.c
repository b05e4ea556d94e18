/* Goal: one process holds a store; its list, its deletions and a full disk do what they say. */
#include "tests/unit/store/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct state {
	char *folder;
	struct store *store;
};

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	must(store_open(t->folder, &sample_options, &t->store, &e));
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *disk = mem_format("%s/run", t->folder);

	store_close(t->store);
	(void)umount2(disk, MNT_DETACH); /* what a failed test_a_full_disk left */
	folder_drop(t->folder);
	free(t);
	return 0;
}

static void
test_a_second_opener_is_refused(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *holder = mem_format("number %ld", (long)getpid());
	struct store *second = NULL;
	struct err e;
	int status;

	must_fail(store_open(t->folder, NULL, &second, &e), ERR_BUSY);
	assert_non_null(strstr(e.text, holder));
	const pid_t child = fork();
	if (child == 0)
		_exit(store_open(t->folder, NULL, &second, &e) == -1 && e.code == ERR_BUSY ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

/* Whoever removes the file lets nobody in: the folder of packs is held, too. */
static void
test_a_removed_lock_opens_nothing(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *lock = mem_format("%s/lock", t->folder);
	SCOPED(free_at) char *moved = mem_format("%s.moved", lock);
	SCOPED(free_at) char *other = mem_format("%s-other", t->folder);
	struct store *second = NULL;
	struct err e;

	assert_int_equal(unlink(lock), 0);
	must_fail(store_open(t->folder, NULL, &second, &e), ERR_BUSY);
	must_fail(store_open(t->folder, NULL, &second, &e), ERR_BUSY); /* with a new file */
	assert_int_equal(rename(lock, moved), 0);
	must_fail(store_open(t->folder, NULL, &second, &e), ERR_BUSY);
	assert_int_equal(symlink(t->folder, other), 0);
	must_fail(store_open(other, NULL, &second, &e), ERR_BUSY);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(rename(t->folder, other), 0);
	must_fail(store_open(other, NULL, &second, &e), ERR_BUSY);
	assert_int_equal(rename(other, t->folder), 0);
	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

static void
test_what_a_new_store_holds(void **context)
{
	struct state *t = *context;
	static const char *const names[] = {"packs", "run", "catalogue.db", "lock"};
	struct store_stats stats;
	struct stat st;
	struct err e;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(faccessat(store_fd(t->store), names[i], F_OK, 0), 0);
	assert_int_equal(faccessat(store_fd(t->store), "reserve", F_OK, 0), -1);
	assert_int_equal(store_path(t->store)[0], '/');
	must(store_stats(t->store, &stats, &e));
	assert_int_equal(stats.chunks + stats.packs_bytes + stats.plain_bytes, 0);
	assert_true(store_free_bytes(t->store, &e) > 0);
	assert_int_equal(fstatat(store_fd(t->store), "packs", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
test_the_reserve_is_made(void **context)
{
	const struct store_options options = {.secret = SAMPLE_SECRET, .reserve_bytes = 1 << 20};
	struct state *t = *context;
	struct stat st;
	struct err e;

	store_close(t->store);
	for (int i = 0; i < 2; i++) {
		must(store_open(t->folder, &options, &t->store, &e));
		assert_int_equal(fstatat(store_fd(t->store), "reserve", &st, 0), 0);
		assert_int_equal(st.st_size, 1 << 20);
		assert_true(st.st_blocks * 512 >= 1 << 20);
		if (i == 0)
			store_close(t->store);
	}
}

static void
test_a_newer_store_is_refused(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = mem_format("%s/catalogue.db", t->folder);
	sqlite3 *db = NULL;
	struct store *s = NULL;
	struct err e;

	store_close(t->store);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	must_fail(store_open(t->folder, &sample_options, &s, &e), ERR_UNSUPPORTED);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=7", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

/* As version 1 left it: without the tables of the sweep, the rounds, and what came with version 3.
 */
static void
test_an_older_store_is_brought_up(void **context)
{
	struct state *t = *context;
	int64_t round = 0;
	SCOPED(free_at) char *path = mem_format("%s/catalogue.db", t->folder);
	SCOPED(free_at) unsigned char *data = bytes_noise(100000, 74);
	char id[ID_SIZE];
	sqlite3 *db = NULL;
	struct err e;

	must(backup_put(t->store, data, 100000, id, &e));
	store_close(t->store);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				 "DROP TABLE deletions; DROP TABLE adopted; DROP TABLE runs;"
				 "DROP INDEX backups_by_seq; DROP INDEX operations_by_seq;"
				 "ALTER TABLE backups DROP COLUMN seq;"
				 "ALTER TABLE operations DROP COLUMN seq;"
				 "CREATE INDEX backups_by_time ON backups(created_ns, id);"
				 "CREATE INDEX operations_by_time ON operations(created_ns, id);"
				 "ALTER TABLE counts DROP COLUMN scrubbed;"
				 "ALTER TABLE backups DROP COLUMN locked;"
				 "ALTER TABLE backups DROP COLUMN rehearsal;"
				 "ALTER TABLE backups DROP COLUMN name;"
				 "ALTER TABLE backups DROP COLUMN verified_ns;"
				 "ALTER TABLE counts DROP COLUMN rounds; PRAGMA user_version=1",
				 NULL, NULL, NULL),
		SQLITE_OK);
	(void)sqlite3_close(db);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	must(backup_compare(t->store, id, data, 100000, &e));
	must(backups_delete(t->store, id, &e));
	must(store_round(t->store, &round, &e));
	must(store_round(t->store, &round, &e));
	assert_int_equal(round, 2);
}

static void
test_a_catalogue_that_is_none(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = mem_format("%s/catalogue.db", t->folder);
	SCOPED(free_at) char *aside = mem_format("%s/run/aside", t->folder);
	SCOPED(free_at) unsigned char *noise = bytes_noise(8192, 71);
	struct store *s = NULL;
	struct err e;

	store_close(t->store);
	assert_int_equal(rename(path, aside), 0);
	file_put(path, noise, 8192);
	must_fail(store_open(t->folder, &sample_options, &s, &e), ERR_CORRUPT);
	assert_int_equal(rename(aside, path), 0);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

static void
expect_page(struct store *s, int limit, const char *after, const char *expected, bool expected_more)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	char found[64] = "";
	bool more = !expected_more;
	size_t at;
	json_t *record;
	struct err e;

	must(backups_list(s, limit, after, &list, &more, &e));
	json_array_foreach (list, at, record) {
		found[at] = json_string_value(json_object_get(record, "id"))[ID_LEN - 1];
		found[at + 1] = '\0';
	}
	assert_string_equal(found, expected);
	assert_int_equal(more, expected_more);
}

static void
test_the_list_is_newest_first_in_pages(void **context)
{
	struct state *t = *context;
	static const char base[] = "20261123-091233-0000000";
	SCOPED(json_decref_at) json_t *record = json_pack("{s:s}", "k", "v");
	char id[7][ID_SIZE];
	struct err e;

	for (int i = 0; i < 7; i++) { /* two of the same time */
		(void)snprintf(id[i], ID_SIZE, "%s%d", base, i);
		must(backups_begin(t->store, id[i], i == 4 ? 3 : i, record, &e));
	}
	must_fail(backups_begin(t->store, id[3], 9, record, &e), ERR_CONFLICT);
	expect_page(t->store, 1000, NULL, "6543210", false);
	expect_page(t->store, 3, NULL, "654", true);
	expect_page(t->store, 3, id[4], "321", true);
	expect_page(t->store, 3, id[1], "0", false);
	expect_page(t->store, 3, id[0], "", false);
	SCOPED(json_decref_at) json_t *list = NULL;
	bool more;
	must_fail(backups_list(t->store, 3, "nothing", &list, &more, &e), ERR_INVALID);
}

/* What is put last stands first, although the clock was ahead for the second and dead for the
 * fourth; what was made elsewhere stands where its time belongs, and one that says it is still to
 * come below all. */
static void
test_the_order_is_not_the_clocks(void **context)
{
	static const int64_t day_ns = INT64_C(86400) * 1000000000;
	const int64_t now_ns = 20000 * day_ns;
	static const struct {
		int64_t day;
		bool old;
	} made[] = {{19990, false}, {20400, false}, {19991, false}, {0, false}, {19994, false},
		{19992, true}, {19993, true}, {20500, true}, {19000, true}, {19999, true}};
	static const char base[] = "20261123-091233-0000000";
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *record = json_pack("{s:s}", "k", "v");
	char id[10][ID_SIZE];
	struct err e;

	for (int i = 0; i < 10; i++) {
		(void)snprintf(id[i], ID_SIZE, "%s%d", base, i);
		if (made[i].old)
			must(backups_begin_old(
				t->store, id[i], made[i].day * day_ns, now_ns, record, &e));
		else
			must(backups_begin(t->store, id[i], made[i].day * day_ns, record, &e));
	}
	must_fail(backups_begin_old(t->store, id[3], 9, now_ns, record, &e), ERR_CONFLICT);
	expect_page(t->store, 1000, NULL, "9465321087", false);
	for (int i = 0; i < 10; i++) { /* page after page the same */
		static const char order[] = "9465321087";
		const char rest[] = {order[i + 1], '\0'};

		expect_page(t->store, 1, id[order[i] - '0'], i == 9 ? "" : rest, i < 8);
	}
	assert_true(backups_in_future(now_ns + 2 * BACKUPS_SLACK_NS, now_ns));
	assert_false(backups_in_future(now_ns + BACKUPS_SLACK_NS, now_ns));
}

static void
test_states_of_a_backup(void **context)
{
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *record = json_pack("{s:s,s:s}", "state", "lies", "k", "v");
	SCOPED(json_decref_at) json_t *found = NULL;
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	must_fail(backups_get(t->store, id, &found, &e), ERR_NOT_FOUND);
	must_fail(backups_fail(t->store, id, record, &e), ERR_NOT_FOUND);
	must_fail(backups_delete(t->store, id, &e), ERR_NOT_FOUND);
	must(backups_begin(t->store, id, 1500000000, record, &e));
	must_fail(backups_delete(t->store, id, &e), ERR_CONFLICT);
	must(backups_get(t->store, id, &found, &e));
	assert_string_equal(json_string_value(json_object_get(found, "state")), "running");
	assert_string_equal(json_string_value(json_object_get(found, "created_at")),
		"1970-01-01T00:00:01.500Z");
	json_decref(TAKE(found));
	must(backups_fail(t->store, id, record, &e));
	must(backups_get(t->store, id, &found, &e));
	assert_string_equal(json_string_value(json_object_get(found, "state")), "failed");
	must_fail(backups_fail(t->store, id, NULL, &e), ERR_NOT_FOUND);
	must(backups_delete(t->store, id, &e));
	must_fail(backups_delete(t->store, id, &e), ERR_NOT_FOUND);
	must(backups_begin(t->store, id, 1, record, &e));
	must(backups_fail(t->store, id, NULL, &e));
	must_fail(backups_delete(t->store, id, &e), ERR_NOT_FOUND);
}

static void
test_a_deleted_backup_leaves_the_others(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(600000, 72);
	char id[2][ID_SIZE];
	struct err e;

	for (int i = 0; i < 2; i++)
		must(backup_put(t->store, data, 600000, id[i], &e));
	must(backups_delete(t->store, id[0], &e));
	must(backup_compare(t->store, id[1], data, 600000, &e));
	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	must_fail(backup_compare(t->store, id[0], data, 600000, &e), ERR_NOT_FOUND);
	must(backup_compare(t->store, id[1], data, 600000, &e));
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
		.secret = SAMPLE_SECRET, .reserve_bytes = 2 << 20, .pack_bytes = 1 << 20};
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(12 << 20, 73);
	char id[3][ID_SIZE];
	struct store *s = NULL;
	struct err e;

	SCOPED(free_at) char *disk = mem_format("%s/run", t->folder);
	if (mount("none", disk, "tmpfs", 0, "size=12m") != 0) {
		print_message("no file system may be mounted here: skipped\n");
		skip();
	}
	must(store_open(disk, &options, &s, &e));
	must(backup_put(s, data, 1 << 20, id[0], &e));
	must(backup_put(s, data + (1 << 20), 1 << 20, id[1], &e));
	must_fail(backup_put(s, data, 12 << 20, id[2], &e), ERR_NO_SPACE);
	disk_fill(s);
	must(backups_fail(s, id[2], NULL, &e));
	disk_fill(s);
	store_close(s);
	must(store_open(disk, &options, &s, &e)); /* a full store opens */
	disk_fill(s);
	must(backup_compare(s, id[0], data, 1 << 20, &e));
	must(backups_delete(s, id[0], &e));
	must_fail(backup_compare(s, id[0], data, 1 << 20, &e), ERR_NOT_FOUND);
	must(backup_compare(s, id[1], data + (1 << 20), 1 << 20, &e));
	store_close(s);
	assert_int_equal(umount(disk), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_second_opener_is_refused),
		CASE(test_a_removed_lock_opens_nothing),
		CASE(test_what_a_new_store_holds),
		CASE(test_the_reserve_is_made),
		CASE(test_a_newer_store_is_refused),
		CASE(test_an_older_store_is_brought_up),
		CASE(test_a_catalogue_that_is_none),
		CASE(test_the_list_is_newest_first_in_pages),
		CASE(test_the_order_is_not_the_clocks),
		CASE(test_states_of_a_backup),
		CASE(test_a_deleted_backup_leaves_the_others),
		CASE(test_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
