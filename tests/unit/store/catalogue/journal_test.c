/* Goal: operations survive, none stays running over a start, and a request is carried out once. */
#include "tests/unit/store/sample.h"

#include "store/catalogue/journal.h"

struct state {
	char *folder;
	struct store *store;
};

static const int64_t DAY_NS = INT64_C(24) * 3600 * 1000000000;

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
reopen(struct state *t)
{
	struct err e;

	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

static void
operation_put(struct state *t, const char *id, int64_t created, const char *state, int64_t ended)
{
	SCOPED(json_decref_at) json_t *document = json_pack("{s:s,s:s}", "id", id, "state", state);
	char text[CLOCK_TEXT_SIZE];
	struct err e;

	if (ended != 0)
		(void)json_object_set_new(
			document, "ended_at", json_string(clock_text(ended, text)));
	must(journal_put(t->store, id, created, state, document, &e));
}

static void
expect_field(struct state *t, const char *id, const char *field, const char *expected)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	struct err e;

	must(journal_get(t->store, id, &document, &e));
	const char *found = json_string_value(json_object_get(document, field));
	if (expected == NULL)
		assert_null(found);
	else
		assert_string_equal(found, expected);
}

static void
test_operations(void **context)
{
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *document = NULL;
	struct err e;

	must_fail(journal_get(t->store, "a", &document, &e), ERR_NOT_FOUND);
	operation_put(t, "a", 1, "queued", 0);
	operation_put(t, "a", 1, "running", 0);
	expect_field(t, "a", "state", "running");
	reopen(t);
	expect_field(t, "a", "state", "running");
	expect_field(t, "a", "id", "a");
}

static void
test_list(void **context)
{
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *list = NULL;
	bool more = false;
	struct err e;

	operation_put(t, "a", 1, "running", 0);
	operation_put(t, "b", 2, "succeeded", 3);
	operation_put(t, "c", 3, "queued", 0);
	must(journal_list(t->store, 2, NULL, &list, &more, &e));
	assert_true(more);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "c");
	json_decref(TAKE(list));
	must(journal_list(t->store, 2, "b", &list, &more, &e));
	assert_false(more);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "id")), "a");
	json_decref(TAKE(list));
	must_fail(journal_list(t->store, 2, "z", &list, &more, &e), ERR_INVALID);
}

/* One that began while the clock was ahead does not hide those that began later. */
static void
test_the_order_is_not_the_clocks(void **context)
{
	static const char *const order[] = {"d", "c", "b", "a"};
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *list = NULL;
	bool more = true;
	struct err e;

	operation_put(t, "a", 1, "succeeded", 2);
	operation_put(t, "b", 900 * DAY_NS, "running", 0);
	operation_put(t, "c", 3, "running", 0);
	operation_put(t, "d", 2, "running", 0);
	operation_put(t, "b", 900 * DAY_NS, "succeeded", 900 * DAY_NS);
	operation_put(t, "c", 3, "failed", 4);
	reopen(t);
	must(journal_list(t->store, 10, NULL, &list, &more, &e));
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(list, i), "id")),
			order[i]);
	json_decref(TAKE(list));
	must(journal_list(t->store, 10, "c", &list, &more, &e));
	assert_int_equal(json_array_size(list), 2);
}

static void
test_interrupt(void **context)
{
	struct state *t = *context;
	const int64_t now = 100 * DAY_NS;
	SCOPED(json_decref_at) json_t *document = NULL;
	char text[CLOCK_TEXT_SIZE];
	struct err e;

	operation_put(t, "queued", 1, "queued", 0);
	operation_put(t, "running", 2, "running", 0);
	operation_put(t, "done", 3, "succeeded", now - DAY_NS);
	operation_put(t, "old", 4, "failed", now - 8 * DAY_NS);
	must(journal_interrupt(t->store, now, now - 7 * DAY_NS, &e));
	for (int i = 0; i < 2; i++) {
		expect_field(t, "queued", "state", "interrupted");
		expect_field(t, "running", "state", "interrupted");
		expect_field(t, "running", "ended_at", clock_text(now, text));
		expect_field(t, "done", "state", "succeeded");
		must_fail(journal_get(t->store, "old", &document, &e), ERR_NOT_FOUND);
		must(journal_interrupt(t->store, now + 1, now - 7 * DAY_NS, &e));
	}
	must(journal_interrupt(t->store, now, now + 1000000, &e));
	must_fail(journal_get(t->store, "running", &document, &e), ERR_NOT_FOUND);
}

static void
test_a_request_is_carried_out_once(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *operation = NULL;
	const int64_t now = 100 * DAY_NS;
	struct err e;

	assert_int_equal(journal_request(t->store, "key", "aa", now, &operation, &e), 0);
	must_fail(journal_request(t->store, "key", "aa", now, &operation, &e), ERR_BUSY);
	must_fail(journal_request(t->store, "key", "bb", now, &operation, &e), ERR_INVALID);
	assert_null(operation);
	must(journal_request_done(t->store, "key", "the-operation", &e));
	reopen(t);
	assert_int_equal(journal_request(t->store, "key", "aa", now + 1, &operation, &e), 1);
	assert_string_equal(operation, "the-operation");
	must_fail(journal_request(t->store, "key", "bb", now, &operation, &e), ERR_INVALID);
	assert_int_equal(journal_request(t->store, "other", "bb", now, &operation, &e), 0);
}

static void
test_requests_that_failed_or_are_old_are_forgotten(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *operation = NULL;
	const int64_t now = 100 * DAY_NS;
	struct err e;

	assert_int_equal(journal_request(t->store, "key", "aa", now, &operation, &e), 0);
	must(journal_request_done(t->store, "key", NULL, &e));
	assert_int_equal(journal_request(t->store, "key", "bb", now, &operation, &e), 0);
	must(journal_request_done(t->store, "key", "x", &e));
	assert_int_equal(
		journal_request(t->store, "key", "cc", now + DAY_NS + 1, &operation, &e), 0);
	/* cut off by a crash before its operation was there: may be asked again */
	must(journal_interrupt(t->store, now, now, &e));
	assert_int_equal(
		journal_request(t->store, "key", "dd", now + DAY_NS + 2, &operation, &e), 0);
	assert_null(operation);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_operations),
		CASE(test_list),
		CASE(test_the_order_is_not_the_clocks),
		CASE(test_interrupt),
		CASE(test_a_request_is_carried_out_once),
		CASE(test_requests_that_failed_or_are_old_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
