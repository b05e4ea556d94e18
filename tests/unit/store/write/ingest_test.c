/* Goal: what is put comes back byte for byte, is stored once, and is a backup by its commit only.
 */
#include "tests/unit/store/sample.h"

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

	store_close(t->store);
	folder_drop(t->folder);
	free(t);
	return 0;
}

static void
test_round_trip(void **context)
{
	struct state *t = *context;
	static const size_t lengths[] = {1, 2, 65535, 65536, 65537, 1 << 20, (3 << 20) + 17};
	char id[ID_SIZE];
	struct err e;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		SCOPED(free_at) unsigned char *data = bytes_text(lengths[i], i);
		must(backup_put(t->store, data, lengths[i], id, &e));
		must(backup_compare(t->store, id, data, lengths[i], &e));
	}
}

static void
test_empty_backup(void **context)
{
	struct state *t = *context;
	SCOPED(replay_close_at) struct replay *r = NULL;
	unsigned char archive[64];
	char id[ID_SIZE];
	struct err e;

	must(backup_put(t->store, NULL, 0, id, &e));
	must(backup_compare(t->store, id, NULL, 0, &e));
	must(replay_open(t->store, id, &r, &e));
	assert_int_equal(replay_archive_bytes(r), 17); /* an empty seek table */
	assert_int_equal(replay_archive(r, 0, archive, sizeof(archive), &e), 17);
}

static void
test_content_is_stored_once(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(2 << 20, 7);
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe first = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe second = RECIPE_INIT;
	struct ingest_totals totals;
	struct store_stats before, after;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, data, 2 << 20, 1000, &first, &e));
	must(ingest_checkpoint(in, &e));
	must(store_stats(t->store, &before, &e));
	const int64_t stored = ingest_stored_bytes(in);
	assert_true(stored > 2 << 20);

	/* in this session, whose chunks are in the catalogue by now */
	must(stream_put(in, CUT_CONTENT, data, 2 << 20, 1 << 20, &second, &e));
	must(ingest_totals(in, &second, &totals, &e));
	assert_int_equal(ingest_stored_bytes(in), stored);
	assert_int_equal(ingest_plain_bytes(in), 4 << 20);
	assert_int_equal(first.count, second.count);
	assert_memory_equal(first.runs, second.runs, first.count * sizeof(*first.runs));
	must(store_stats(t->store, &after, &e));
	assert_int_equal(before.chunks, after.chunks);
	assert_int_equal(after.plain_bytes, 2 << 20);
}

static void
test_chunk_twice_between_checkpoints(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(16 << 10, 8);
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct store_stats stats;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	for (int i = 0; i < 3; i++)
		must(stream_put(in, CUT_WHOLE, data, 16 << 10, 999, &recipe, &e));
	must(ingest_checkpoint(in, &e));
	assert_int_equal(recipe_chunks(&recipe), 3);
	must(store_stats(t->store, &stats, &e));
	assert_int_equal(stats.chunks, 1);
}

static void
test_second_backup_is_small(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(4 << 20, 9);
	struct store_stats first, second;
	char id[2][ID_SIZE];
	struct err e;

	must(backup_put(t->store, data, 4 << 20, id[0], &e));
	must(store_stats(t->store, &first, &e));
	memset(data + (2 << 20), 'x', 100);
	must(backup_put(t->store, data, 4 << 20, id[1], &e));
	must(store_stats(t->store, &second, &e));
	assert_true(second.packs_bytes - first.packs_bytes < (3 << 20) / 2);
	must(backup_compare(t->store, id[1], data, 4 << 20, &e));
}

static void
test_whole_refuses_more_than_a_chunk(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_text(CHUNK_MAX + 1, 10);
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must_fail(stream_put(in, CUT_WHOLE, data, CHUNK_MAX + 1, 4096, &recipe, &e), ERR_TOO_LARGE);
	ingest_drop(in);
	must(stream_put(in, CUT_WHOLE, data, CHUNK_MAX, 4096, &recipe, &e));
	assert_int_equal(recipe_chunks(&recipe), 1);
}

static void
test_only_the_commit_makes_a_backup(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(300000, 11);
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *begun = json_pack("{s:s}", "note", "begun");
	SCOPED(json_decref_at) json_t *record = NULL;
	SCOPED(replay_close_at) struct replay *r = NULL;
	struct ingest_totals totals;
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, data, 300000, 4096, &recipe, &e));
	must(backups_begin(t->store, id, 1, begun, &e));
	must_fail(replay_open(t->store, id, &r, &e), ERR_CONFLICT);
	must(ingest_totals(in, &recipe, &totals, &e));
	must_fail(replay_open(t->store, id, &r, &e), ERR_CONFLICT);
	must(ingest_commit(in, id, "{\"note\":\"done\"}", &recipe, &e));
	must(backups_get(t->store, id, &record, &e));
	assert_string_equal(json_string_value(json_object_get(record, "state")), "complete");
	assert_string_equal(json_string_value(json_object_get(record, "note")), "done");
	must(replay_open(t->store, id, &r, &e));
	assert_string_equal(replay_digest(r), totals.digest);
	assert_int_equal(replay_archive_bytes(r), totals.archive_bytes);
	assert_int_equal(replay_plain_bytes(r), totals.size_bytes);
	/* a backup that is not running cannot become complete, and the session says so for good */
	must_fail(ingest_commit(in, id, "{}", &recipe, &e), ERR_CONFLICT);
	must_fail(ingest_checkpoint(in, &e), ERR_CONFLICT);
	must(backup_compare(t->store, id, data, 300000, &e));
}

static void
test_sessions_side_by_side(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) unsigned char *data = bytes_noise(1 << 20, 12);
	struct ingest *in[2] = {NULL, NULL};
	struct recipe recipe[2] = {RECIPE_INIT, RECIPE_INIT};
	SCOPED(json_decref_at) json_t *begun = json_object();
	char id[2][ID_SIZE];
	struct err e;

	for (int i = 0; i < 2; i++) {
		must(ingest_open(t->store, &in[i], &e));
		id_new(id[i]);
		must(backups_begin(t->store, id[i], i, begun, &e));
	}
	for (size_t at = 0; at < 1 << 20; at += 1 << 18) {
		for (int i = 0; i < 2; i++)
			must(stream_put(
				in[i], CUT_PAGES_64, data + at, 1 << 18, 5000, &recipe[i], &e));
	}
	for (int i = 0; i < 2; i++) {
		must(ingest_commit(in[i], id[i], "{}", &recipe[i], &e));
		ingest_close(in[i]);
		recipe_free(&recipe[i]);
	}
	for (int i = 0; i < 2; i++)
		must(backup_compare(t->store, id[i], data, 1 << 20, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty_backup, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_content_is_stored_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_chunk_twice_between_checkpoints, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_second_backup_is_small, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_whole_refuses_more_than_a_chunk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_only_the_commit_makes_a_backup, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sessions_side_by_side, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
