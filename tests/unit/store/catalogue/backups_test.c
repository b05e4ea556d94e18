/* Goal: a locked backup is not deleted, one that is being read is not pruned, and names are kept.
 */
#include "tests/unit/store/sample.h"

enum { LEN = 100000 };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data;
	char id[ID_SIZE];
};

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	t->data = bytes_text(LEN, 81);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	must(backup_put(t->store, t->data, LEN, t->id, &e));
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

static void
lock(struct state *t, bool locked)
{
	struct err e;

	must(backups_change(t->store, t->id, &(struct backups_change){.locked = locked}, &e));
}

static void
shows(struct state *t, bool locked, const char *name)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	struct err e;

	must(backups_get(t->store, t->id, &record, &e));
	assert_int_equal(json_is_true(json_object_get(record, "locked")), locked);
	assert_int_equal(json_is_boolean(json_object_get(record, "locked")), true);
	if (name == NULL)
		assert_true(json_is_null(json_object_get(record, "name")));
	else
		assert_string_equal(json_string_value(json_object_get(record, "name")), name);
}

static void
test_locked(void **context)
{
	struct state *t = *context;
	struct err e;

	shows(t, false, NULL);
	lock(t, true);
	shows(t, true, NULL);
	must_fail(backups_delete(t->store, t->id, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.text, "unlock"));
	assert_int_equal(backups_prune(t->store, t->id, &e), 0);
	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	shows(t, true, NULL);
	must(backup_compare(t->store, t->id, t->data, LEN, &e));
	lock(t, false);
	must(backups_delete(t->store, t->id, &e));
}

static void
test_names(void **context)
{
	struct state *t = *context;
	struct backups_change change = {.locked = -1, .named = true, .name = "before the upgrade"};
	struct err e;

	must(backups_change(t->store, t->id, &change, &e));
	shows(t, false, change.name);
	lock(t, true);
	shows(t, true, change.name);
	change.name = NULL;
	must(backups_change(t->store, t->id, &change, &e));
	shows(t, true, NULL);
	must_fail(backups_change(t->store, "20200101-000000-00000000", &change, &e), ERR_NOT_FOUND);
}

static void
test_prune_spares_what_is_read(void **context)
{
	struct state *t = *context;
	struct replay *first = NULL, *second = NULL;
	struct err e;

	must(replay_open(t->store, t->id, &first, &e));
	must(replay_open(t->store, t->id, &second, &e));
	assert_true(backups_being_read(t->store, t->id));
	assert_int_equal(backups_prune(t->store, t->id, &e), 0);
	replay_close(first);
	assert_int_equal(backups_prune(t->store, t->id, &e), 0);
	replay_close(second);
	assert_false(backups_being_read(t->store, t->id));
	assert_int_equal(backups_prune(t->store, t->id, &e), 1);
	assert_int_equal(backups_prune(t->store, t->id, &e), 0);
}

static void
test_prune_spares_what_is_not_complete(void **context)
{
	struct state *t = *context;
	SCOPED(json_decref_at) json_t *record = json_object();
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	must(backups_begin(t->store, id, 1, record, &e));
	assert_int_equal(backups_prune(t->store, id, &e), 0);
	must(backups_fail(t->store, id, record, &e));
	assert_int_equal(backups_prune(t->store, id, &e), 0);
	must(backups_delete(t->store, id, &e));
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_locked),
		CASE(test_names),
		CASE(test_prune_spares_what_is_read),
		CASE(test_prune_spares_what_is_not_complete),
	};

	return cmocka_run_group_tests_name("backups", tests, NULL, NULL);
}
