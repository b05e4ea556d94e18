/*
 * Goal: an opening adopts what is whole behind a pack's durable bytes, cuts off what is not, and
 * notes lost and strange packs without deleting anything that may be needed.
 */
#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/format/record.h"

enum { LEN = 6 << 20, OLD_LEN = 300000 };

struct state {
	char *folder;
	unsigned char *old, *data;
	char old_id[ID_SIZE];
};

static const struct store_options options = {.secret = SAMPLE_SECRET, .reserve_bytes = -1};

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	SCOPED(store_close_at) struct store *s = NULL;
	struct err e;

	t->folder = folder_make();
	t->old = bytes_noise(OLD_LEN, 51);
	t->data = bytes_noise(LEN, 52);
	must(store_open(t->folder, &options, &s, &e));
	must(backup_put(s, t->old, OLD_LEN, t->old_id, &e));
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	folder_drop(t->folder);
	free(t->old);
	free(t->data);
	free(t);
	return 0;
}

/* A process that puts all of the data, waits until it is appended, never checkpoints, and is gone.
 * 6 MiB in batches of 2. */
static void
put_and_die(const struct state *t)
{
	struct recipe recipe = RECIPE_INIT;
	struct ingest *in = NULL;
	struct store *s = NULL;
	struct err e;
	int status;

	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (store_open(t->folder, &options, &s, &e) != 0 || ingest_open(s, &in, &e) != 0 ||
			stream_put(in, CUT_PAGES_64, t->data, LEN, LEN, &recipe, &e) != 0)
			_exit(1);
		while (ingest_stored_bytes(in) < LEN) /* noise: its frames are longer than it */
			(void)usleep(1000);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The one pack larger than that of the old backup. */
static char *
torn_pack(const struct state *t)
{
	SCOPED(free_at) char *pattern = mem_format("%s/packs/*/*.zpk", t->folder);
	glob_t found = {0};
	char *path = NULL;
	struct stat st;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		assert_int_equal(stat(found.gl_pathv[i], &st), 0);
		if (st.st_size > OLD_LEN + 100000)
			path = mem_string(found.gl_pathv[i]);
	}
	globfree(&found);
	assert_non_null(path);
	return path;
}

static int64_t
size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Open, and return how many of the data's chunks were adopted; the data can be backed up then. */
static int64_t
adopted(const struct state *t)
{
	SCOPED(store_close_at) struct store *s = NULL;
	struct store_stats before, after;
	char id[ID_SIZE];
	struct err e;

	must(store_open(t->folder, &options, &s, &e));
	must(backup_compare(s, t->old_id, t->old, OLD_LEN, &e));
	must(store_stats(s, &before, &e));
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	must(ingest_open(s, &in, &e));
	must(stream_put(in, CUT_PAGES_64, t->data, LEN, LEN, &recipe, &e));
	id_new(id);
	must(backups_begin(s, id, 1, record, &e));
	must(ingest_commit(in, id, "{}", &recipe, &e));
	must(backup_compare(s, id, t->data, LEN, &e));
	must(store_stats(s, &after, &e));
	assert_true(after.chunks <= before.chunks + LEN / 65536);
	return LEN / 65536 - (after.chunks - before.chunks);
}

static void
test_whole_records_are_adopted(void **context)
{
	struct state *t = *context;

	put_and_die(t);
	assert_in_range(adopted(t), 32, LEN / 65536);
}

/* Something else than a record behind the whole ones. */
static void
test_torn_tails_are_cut_off(void **context)
{
	static const int64_t cuts[] = {1, 50, 96, 97, 5000, 65536 + 96 + 13};
	struct state *t = *context;

	for (size_t i = 0; i < 2 * sizeof(cuts) / sizeof(*cuts); i++) {
		const bool garbage = i % 2 == 1;
		struct state *fresh = NULL;
		assert_int_equal(set_up((void **)&fresh), 0);
		put_and_die(fresh);
		SCOPED(free_at) char *path = torn_pack(fresh);
		const int64_t whole = size_of(path);
		assert_int_equal(truncate(path, whole - cuts[i / 2]), 0);
		if (garbage) {
			SCOPED(file_close_at) FILE *file = fopen(path, "ae");
			assert_int_equal(fwrite(t->data, 1, 70000, file), 70000);
		}
		assert_in_range(adopted(fresh), 20, LEN / 65536 - 1);
		assert_true(size_of(path) <= whole - cuts[i / 2]);
		(void)tear_down((void **)&fresh);
	}
}

static void
test_a_bad_frame_ends_the_adoption(void **context)
{
	struct state *t = *context;

	put_and_die(t);
	SCOPED(free_at) char *path = torn_pack(t);
	SCOPED(fd_close_at) int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "flip", 4, 1 << 20), 4);
	assert_in_range(adopted(t), 10, 16);
	assert_true(size_of(path) <= 1 << 20);
}

/* Records under another pack's name are not that pack's; the file is somebody's, and stays. */
static void
test_another_packs_records_are_not_adopted(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	SCOPED(free_at) char *there = mem_format("%s/packs/ab", t->folder);
	SCOPED(free_at) char *copy = mem_format("%s/ab00000000000000000000000000cdef.zpk", there);
	SCOPED(free_at) char *command = mem_format("mkdir -p %s && cp %s %s", there, path, copy);

	assert_int_equal(system(command), 0);
	assert_int_equal(adopted(t), 0);
	assert_int_equal(access(copy, F_OK), 0);
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
test_a_lost_pack_and_its_return(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	SCOPED(free_at) char *aside = mem_format("%s/run/aside", t->folder);
	struct store *s = NULL;
	char id[ID_SIZE];
	struct err e;

	assert_int_equal(rename(path, aside), 0);
	for (int i = 0; i < 2; i++) {
		must(store_open(t->folder, &options, &s, &e));
		assert_true(is_damaged(s, t->old_id));
		must_fail(backup_compare(s, t->old_id, t->old, OLD_LEN, &e), ERR_CORRUPT);
		if (i == 1) { /* what is bad is stored again */
			must(backup_put(s, t->old, OLD_LEN, id, &e));
			must(backup_compare(s, id, t->old, OLD_LEN, &e));
			assert_false(is_damaged(s, id));
		}
		store_close(s);
	}
	assert_int_equal(rename(aside, path), 0);
	must(store_open(t->folder, &options, &s, &e));
	assert_false(is_damaged(s, t->old_id));
	must(backup_compare(s, t->old_id, t->old, OLD_LEN, &e));
	must(backup_compare(s, id, t->old, OLD_LEN, &e));
	store_close(s);
}

static void
test_packs_without_a_catalogue_are_adopted(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *catalogue = mem_format("%s/catalogue.db", t->folder);
	SCOPED(store_close_at) struct store *s = NULL;
	struct store_stats before, after;
	char id[ID_SIZE];
	struct err e;

	assert_int_equal(unlink(catalogue), 0);
	must(store_open(t->folder, &options, &s, &e));
	must(store_stats(s, &before, &e));
	assert_true(before.plain_bytes == OLD_LEN);
	must(backup_put(s, t->old, OLD_LEN, id, &e));
	must(backup_compare(s, id, t->old, OLD_LEN, &e));
	must(store_stats(s, &after, &e));
	assert_int_equal(before.chunks, after.chunks);
}

static void
test_a_pack_without_a_row_that_is_damaged_stays(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *catalogue = mem_format("%s/catalogue.db", t->folder);
	SCOPED(free_at) char *path = pack_path(t->folder, true);
	SCOPED(fd_close_at) int fd = open(path, O_WRONLY | O_CLOEXEC);
	const int64_t whole = size_of(path);
	SCOPED(store_close_at) struct store *s = NULL;
	struct err e;

	assert_int_equal(unlink(catalogue), 0);
	assert_int_equal(pwrite(fd, "flip", 4, 120), 4); /* in the first record */
	must(store_open(t->folder, &options, &s, &e));
	assert_int_equal(size_of(path), whole);
}

static void
test_an_empty_file_is_removed(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *folder = mem_format("%s/packs/00", t->folder);
	SCOPED(free_at) char *path = mem_format("%s/00112233445566778899aabbccddeeff.zpk", folder);
	SCOPED(free_at) char *other = mem_format("%s/somebody's notes", folder);
	SCOPED(store_close_at) struct store *s = NULL;
	struct err e;

	SCOPED(free_at) char *stray = mem_format("%s/packs/me", t->folder);

	(void)mkdir(folder, 0700);
	file_put(stray, "mine", 4);
	file_put(path, "half a header", 13);
	file_put(other, "mine", 4);
	must(store_open(t->folder, &options, &s, &e));
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	must(backup_compare(s, t->old_id, t->old, OLD_LEN, &e));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_whole_records_are_adopted),
		CASE(test_torn_tails_are_cut_off),
		CASE(test_a_bad_frame_ends_the_adoption),
		CASE(test_another_packs_records_are_not_adopted),
		CASE(test_a_lost_pack_and_its_return),
		CASE(test_packs_without_a_catalogue_are_adopted),
		CASE(test_a_pack_without_a_row_that_is_damaged_stays),
		CASE(test_an_empty_file_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
