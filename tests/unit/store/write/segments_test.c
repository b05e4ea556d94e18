/* Goal: the caches give back what was kept with a checkpoint, and nothing that is not there. */
#include "tests/unit/store/sample.h"

#include "tests/unit/store/faults.h"

enum { LEN = 300000 };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data;
	unsigned char key[KEY_SIZE];
	struct faults faults;
};

static void
state_open(struct state *t)
{
	struct store_options options = sample_options;
	struct err e;

	options.io = &t->faults.io;
	must(store_open(t->folder, &options, &t->store, &e));
}

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));

	t->folder = folder_make();
	t->data = bytes_noise(LEN, 61);
	memset(t->key, 7, sizeof(t->key));
	faults_init(&t->faults, FAULT_ALWAYS, ENOSPC);
	state_open(t);
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	store_close(t->store);
	folder_drop(t->folder);
	free(t->data);
	free(t);
	return 0;
}

/* Put the data and keep it as a segment and as a stream; the session stays open. */
static struct ingest *
kept(struct state *t, struct recipe *to)
{
	struct ingest *in = NULL;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_PAGES_64, t->data, LEN, LEN, to, &e));
	ingest_keep_segment(in, t->key, to);
	ingest_keep_stream(in, "image sha256:1", to, LEN);
	return in;
}

static void
expect_found(struct ingest *in, const unsigned char *key, const struct recipe *expected)
{
	SCOPED(recipe_free) struct recipe segment = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe stream = RECIPE_INIT;
	struct err e;
	int64_t bytes = 0;
	int found;

	must(found = ingest_find_segment(in, key, &segment, &e));
	assert_int_equal(found, expected != NULL);
	must(found = ingest_find_stream(in, "image sha256:1", &stream, &bytes, &e));
	assert_int_equal(found, expected != NULL);
	assert_int_equal(bytes, expected != NULL ? LEN : 0);
	if (expected == NULL)
		return;
	assert_int_equal(segment.count, expected->count);
	assert_memory_equal(
		segment.runs, expected->runs, expected->count * sizeof(*expected->runs));
	assert_int_equal(recipe_chunks(&stream), recipe_chunks(expected));
}

static void
test_found_by_its_own_session_and_after_it(void **context)
{
	struct state *t = *context;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe none = RECIPE_INIT;
	unsigned char other[KEY_SIZE] = {1};
	struct ingest *in, *second = NULL;
	struct err e;
	int64_t bytes;

	in = kept(t, &recipe);
	expect_found(in, t->key, &recipe);
	must(ingest_open(t->store, &second, &e));
	expect_found(second, t->key, NULL); /* not yet durable, so nobody else's */
	must(ingest_checkpoint(in, &e));
	expect_found(in, t->key, &recipe);
	expect_found(second, t->key, &recipe);
	assert_int_equal(ingest_find_segment(second, other, &none, &e), 0);
	assert_int_equal(ingest_find_stream(second, "image", &none, &bytes, &e), 0);
	assert_int_equal(none.count, 0);
	ingest_close(in);
	ingest_close(second);
	store_close(t->store);
	state_open(t);
	must(ingest_open(t->store, &in, &e));
	expect_found(in, t->key, &recipe);
	assert_int_equal(ingest_stored_bytes(in), 0);
	ingest_close(in);
}

static void
test_a_found_segment_makes_a_backup(void **context)
{
	struct state *t = *context;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe found = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	struct ingest *in = kept(t, &recipe);
	char id[ID_SIZE];
	struct err e;

	ingest_close(in);
	must(ingest_open(t->store, &in, &e));
	assert_int_equal(ingest_find_segment(in, t->key, &found, &e), 1);
	id_new(id);
	must(backups_begin(t->store, id, 1, record, &e));
	must(ingest_commit(in, id, "{}", &found, &e));
	ingest_close(in);
	must(backup_compare(t->store, id, t->data, LEN, &e));
}

static void
test_a_failed_session_keeps_nothing(void **context)
{
	struct state *t = *context;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct ingest *in = NULL;
	struct err e;

	in = kept(t, &recipe);
	t->faults.at = t->faults.calls + 1;
	must_fail(ingest_checkpoint(in, &e), ERR_NO_SPACE);
	ingest_keep_segment(in, t->key, &recipe);
	ingest_close(in);
	t->faults.at = 0;
	for (int i = 0; i < 2; i++) {
		must(ingest_open(t->store, &in, &e));
		expect_found(in, t->key, NULL);
		ingest_close(in);
		store_close(t->store);
		state_open(t);
	}
}

static void
test_lost_chunks_are_not_found(void **context)
{
	struct state *t = *context;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe again = RECIPE_INIT;
	struct ingest *in = NULL;
	struct err e;

	ingest_close(kept(t, &recipe));
	SCOPED(free_at) char *path = pack_path(t->folder, false);
	store_close(t->store);
	assert_int_equal(unlink(path), 0);
	state_open(t);
	must(ingest_open(t->store, &in, &e));
	expect_found(in, t->key, NULL);
	ingest_close(in);
	/* kept anew, it is found again, under other numbers */
	in = kept(t, &again);
	must(ingest_checkpoint(in, &e));
	expect_found(in, t->key, &again);
	ingest_close(in);
	assert_true(again.count != recipe.count ||
		    memcmp(again.runs, recipe.runs, again.count * sizeof(*again.runs)) != 0);
}

/* So many that they are written by themselves, before the memory for them is used up. */
static void
test_many_segments(void **context)
{
	enum { COUNT = 60000 };
	struct state *t = *context;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe last = RECIPE_INIT;
	struct ingest *in = NULL, *second = NULL;
	unsigned char key[KEY_SIZE];
	struct err e;

	in = kept(t, &recipe);
	for (uint32_t i = 0; i < COUNT; i++) {
		recipe_clear(&last);
		memset(key, 9, sizeof(key));
		memcpy(key, &i, sizeof(i));
		must(stream_put(in, CUT_WHOLE, key, 4, 4, &last, &e));
		ingest_keep_segment(in, key, &last);
	}
	must(ingest_open(t->store, &second, &e));
	expect_found(second, t->key, &recipe);
	ingest_close(in);
	recipe_clear(&recipe);
	assert_int_equal(ingest_find_segment(second, key, &recipe, &e), 1);
	assert_int_equal(recipe.runs[0].first, last.runs[0].first);
	ingest_close(second);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_found_by_its_own_session_and_after_it),
		CASE(test_a_found_segment_makes_a_backup),
		CASE(test_a_failed_session_keeps_nothing),
		CASE(test_lost_chunks_are_not_found),
		CASE(test_many_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
