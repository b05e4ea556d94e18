/*
 * Goal: whichever call of an ingest or of an opening fails, the error says so, the session stays
 * failed, nothing half is listed, and the next ingest of the same store works.
 */
#include "tests/unit/store/sample.h"

#include "tests/unit/store/faults.h"

enum { LEN = 700000, CALLS_MAX = 400 };

struct attempt {
	char *folder;
	struct store *store;
	struct faults faults;
	enum err_code expected;
	unsigned char *old;
	char old_id[ID_SIZE];
};

static void
attempt_open(struct attempt *a)
{
	struct store_options options = sample_options;
	struct err e;

	options.io = &a->faults.io;
	must(store_open(a->folder, &options, &a->store, &e));
}

static void
attempt_start(struct attempt *a, enum fault kind, int number)
{
	struct err e;

	a->folder = folder_make();
	a->expected = number == ENOSPC || number == EDQUOT ? ERR_NO_SPACE : ERR_IO;
	a->old = bytes_noise(LEN, 31);
	faults_init(&a->faults, kind, number);
	attempt_open(a);
	must(backup_put(a->store, a->old, LEN, a->old_id, &e));
}

static void
attempt_end(struct attempt *a)
{
	store_close(a->store);
	folder_drop(a->folder);
	free(a->old);
}

static bool
is_listed(struct store *s, const char *id)
{
	json_t *record = NULL;
	struct err e;

	if (backups_get(s, id, &record, &e) != 0)
		return false;
	json_decref(record);
	return true;
}

/* A failed session says the same whatever it is asked. */
static void
poison_check(struct ingest *in, const struct err *failure)
{
	static const unsigned char key[KEY_SIZE];
	struct recipe recipe = RECIPE_INIT;
	struct ingest_totals totals;
	struct err e;
	int64_t bytes;

	ingest_drop(in);
	ingest_begin(in, CUT_CONTENT);
	must_fail(ingest_write(in, "x", 1, &e), failure->code);
	must_fail(ingest_end(in, &recipe, &e), failure->code);
	assert_string_equal(e.text, failure->text);
	must_fail(ingest_checkpoint(in, &e), failure->code);
	must_fail(ingest_totals(in, &recipe, &totals, &e), failure->code);
	must_fail(ingest_commit(in, "20261123-091233-1a2b3c4d", "{}", &recipe, &e), failure->code);
	must_fail(ingest_find_segment(in, key, &recipe, &e), failure->code);
	must_fail(ingest_find_stream(in, "x", &recipe, &bytes, &e), failure->code);
	assert_int_equal(recipe.count, 0);
}

/* As backup_put, but what failed is looked at. */
static int
ingest_try(struct attempt *a, const unsigned char *data, const char *id, struct err *e)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();

	if (backups_begin(a->store, id, clock_real_ns(), record, e) != 0 ||
		ingest_open(a->store, &in, e) != 0)
		return -1;
	if (stream_put(in, CUT_CONTENT, data, LEN, 10000, &recipe, e) == 0 &&
		ingest_commit(in, id, "{}", &recipe, e) == 0)
		return 0;
	poison_check(in, e);
	return -1;
}

/* One ingest whose call ${n} fails.  False once there is no such call. */
static bool
ingest_spoiled(struct attempt *a, long n)
{
	SCOPED(free_at) unsigned char *data = bytes_noise(LEN, (uint64_t)(1000 + n));
	char id[2][ID_SIZE];
	struct err e;

	id_new(id[0]);
	a->faults.hit = a->faults.vital = false;
	a->faults.at = a->faults.calls + n;
	const int result = ingest_try(a, data, id[0], &e);
	a->faults.at = 0;
	if (result != 0) {
		if (e.code != a->expected)
			fail_msg("call %ld: %s: %s", n, err_name(e.code), e.text);
		assert_true(a->faults.hit);
		must(backups_fail(a->store, id[0], NULL, &e));
	} else {
		/* but for an encrypted pack's padding, without which it is sealed as well */
		assert_false(a->faults.vital && SAMPLE_PLAIN);
		must(backup_compare(a->store, id[0], data, LEN, &e));
	}
	must(backup_put(a->store, data, LEN, id[1], &e));
	must(backup_compare(a->store, id[1], data, LEN, &e));
	must(backup_compare(a->store, a->old_id, a->old, LEN, &e));
	store_close(a->store);
	attempt_open(a);
	assert_int_equal(is_listed(a->store, id[0]), result == 0);
	must(backup_compare(a->store, id[1], data, LEN, &e));
	must(backup_compare(a->store, a->old_id, a->old, LEN, &e));
	must(backups_delete(a->store, id[1], &e));
	return a->faults.hit;
}

static void
every_call(enum fault kind, int number)
{
	struct attempt a = {0};
	long n = 1;

	attempt_start(&a, kind, number);
	while (ingest_spoiled(&a, n))
		n++;
	assert_in_range(n, 20, CALLS_MAX);
	attempt_end(&a);
}

static void
test_each_call_fails(void **context)
{
	(void)context;
	every_call(FAULT_ERROR, EIO);
}

static void
test_each_call_fails_for_good(void **context)
{
	(void)context;
	every_call(FAULT_ALWAYS, ENOSPC);
}

static void
test_each_call_comes_short(void **context)
{
	struct attempt a = {0};
	struct err e;
	char id[ID_SIZE];
	long n = 1;

	(void)context;
	attempt_start(&a, FAULT_SHORT, EINTR);
	do {
		SCOPED(free_at) unsigned char *data = bytes_noise(LEN, (uint64_t)(2000 + n));
		a.faults.hit = false;
		a.faults.at = a.faults.calls + n++;
		must(backup_put(a.store, data, LEN, id, &e));
		must(backup_compare(a.store, id, data, LEN, &e));
		must(backups_delete(a.store, id, &e));
	} while (a.faults.hit);
	attempt_end(&a);
}

static void
test_each_call_of_an_opening_fails(void **context)
{
	struct attempt a = {0};
	struct store_options options = {
		.secret = SAMPLE_SECRET, .reserve_bytes = 1 << 20, .io = &a.faults.io};
	struct store *other = NULL;
	struct err e;
	bool hit = true;

	(void)context;
	attempt_start(&a, FAULT_ERROR, EIO);
	store_close(a.store);
	for (long n = 1; hit; n++) {
		a.faults.hit = false;
		a.faults.at = a.faults.calls + n;
		if (store_open(a.folder, &options, &other, &e) == 0)
			store_close(other);
		else if (e.code != ERR_IO)
			fail_msg("call %ld: %s: %s", n, err_name(e.code), e.text);
		hit = a.faults.hit;
		assert_true(n < CALLS_MAX);
	}
	a.faults.at = 0;
	attempt_open(&a);
	must(backup_compare(a.store, a.old_id, a.old, LEN, &e));
	attempt_end(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_each_call_fails_for_good),
		cmocka_unit_test(test_each_call_comes_short),
		cmocka_unit_test(test_each_call_of_an_opening_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
