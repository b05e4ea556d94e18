/* Goal: an operation ends in a state that is true, whoever cancels it and whatever fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "jobs/operations/operations.h"

/* Instead of that of base/: a host that has no thread left. */
static bool no_threads;

int
thread_start(pthread_t *ret_thread, void *(*work)(void *ctx), void *ctx)
{
	return no_threads ? EAGAIN : pthread_create(ret_thread, NULL, work, ctx);
}

static char folder[64];
static struct store *store;
static struct operations *operations;
static sem_t reached, go_on;

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int
set_up(void **state)
{
	struct err e;

	(void)state;
	(void)strcpy(folder, "/tmp/fb-operations-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)sem_init(&reached, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	no_threads = false;
	assert_int_equal(
		store_open(folder, &(struct store_options){.reserve_bytes = -1}, &store, &e), 0);
	assert_int_equal(operations_open(store, &operations, &e), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	no_threads = false;
	operations_stop(operations);
	operations_close(operations);
	store_close(store);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

enum how { DECIDES, DECIDES_LATE, FAILS };

static int
run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const enum how how = (enum how)(intptr_t)arg;

	if (how == DECIDES && operation_decide(o, e) != 0)
		return -1;
	(void)sem_post(&reached);
	(void)sem_wait(&go_on);
	if (how == DECIDES_LATE && operation_decide(o, e) != 0)
		return -1;
	*ret_result = json_pack("{s:[s]}", "list", "of the operation");
	return how == FAILS ? err_set(e, ERR_REFUSED, "as it should be") : 0;
}

static int
start(const char *kind, const char *backup, enum how how, char id[ID_SIZE], struct err *e)
{
	return operations_start(operations,
		&(struct operation_start){
			.kind = kind, .backup = backup, .run = run, .arg = (void *)(intptr_t)how},
		id, e);
}

/* The document of ${id} when it has ended. */
static json_t *
finish(const char *id)
{
	json_t *document = NULL;
	struct err e;

	(void)sem_post(&go_on);
	do {
		json_decref(document);
		assert_int_equal(
			operations_wait(operations, id, INT64_MAX, 5000, &document, &e), 0);
	} while (!operation_ended(document));
	return document;
}

static void
assert_state(const json_t *document, const char *state)
{
	assert_string_equal(json_string_value(json_object_get(document, "state")), state);
	assert_true(json_is_string(json_object_get(document, "ended_at")));
}

static void
test_a_thread_that_cannot_start(void **state)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	SCOPED(json_decref_at) json_t *list = NULL;
	SCOPED(json_decref_at) json_t *next = NULL;
	char id[ID_SIZE], other[ID_SIZE];
	struct err e;
	bool more;

	(void)state;
	no_threads = true;
	assert_int_equal(start("backup", NULL, DECIDES, id, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	no_threads = false;
	assert_int_equal(operations_get(operations, id, &document, &e), 0);
	assert_state(document, "failed");
	assert_int_equal(operations_list(operations, 10, NULL, &list, &more, &e), 0);
	assert_int_equal(json_array_size(list), 1);
	assert_state(json_array_get(list, 0), "failed");
	assert_false(operations_running(operations, other));
	assert_int_equal(operations_cancel(operations, id, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	/* and the next one runs */
	assert_int_equal(start("backup", NULL, DECIDES, id, &e), 0);
	next = finish(id);
	assert_state(next, "succeeded");
}

static void
test_what_is_decided_is_not_cancelled(void **state)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	char id[ID_SIZE];
	struct err e;

	(void)state;
	assert_int_equal(start("restore", NULL, DECIDES, id, &e), 0);
	(void)sem_wait(&reached);
	assert_int_equal(operations_cancel(operations, id, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	document = finish(id);
	assert_state(document, "succeeded");
}

static void
test_what_is_cancelled_is_not_decided(void **state)
{
	SCOPED(json_decref_at) json_t *document = NULL;
	char id[ID_SIZE];
	struct err e;

	(void)state;
	assert_int_equal(start("restore", NULL, DECIDES_LATE, id, &e), 0);
	(void)sem_wait(&reached);
	assert_int_equal(operations_cancel(operations, id, &e), 0);
	document = finish(id);
	assert_state(document, "cancelled");
}

/* Who has a document may change it; nobody else sees that. */
static void
test_documents_are_their_readers_own(void **state)
{
	SCOPED(json_decref_at) json_t *mine = NULL;
	SCOPED(json_decref_at) json_t *again = NULL;
	char id[ID_SIZE];
	struct err e;

	(void)state;
	assert_int_equal(start("import", NULL, FAILS, id, &e), 0);
	mine = finish(id);
	assert_state(mine, "failed");
	(void)json_object_clear(json_object_get(mine, "error"));
	(void)json_array_clear(json_object_get(json_object_get(mine, "result"), "list"));
	assert_int_equal(operations_get(operations, id, &again, &e), 0);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(again, "error"), "detail")),
		"as it should be");
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(again, "result"), "list")), 1);
}

static void
test_what_is_restored_is_needed(void **state)
{
	static const struct {
		const char *kind;
		bool needs;
	} kinds[] = {{"restore", true}, {"rehearse", true}, {"verify", false}, {"backup", false}};
	const char *backup = "20261101-101112-0a1b2c3d";

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char id[ID_SIZE];
		struct err e;

		assert_int_equal(start(kinds[i].kind, backup, FAILS, id, &e), 0);
		assert_int_equal(operations_restore(operations, backup), kinds[i].needs);
		assert_false(operations_restore(operations, "20261101-101112-0a1b2c3e"));
		json_decref(finish(id));
		assert_false(operations_restore(operations, backup));
	}
}

static void
test_a_glance(void **state)
{
	char id[ID_SIZE], seen[ID_SIZE] = "";
	struct err e;

	(void)state;
	operations_glance(operations, seen);
	assert_string_equal(seen, "");
	assert_int_equal(start("backup", NULL, FAILS, id, &e), 0);
	operations_glance(operations, seen);
	assert_string_equal(seen, id);
	json_decref(finish(id));
	operations_glance(operations, seen);
	assert_string_equal(seen, "");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_thread_that_cannot_start),
		CASE(test_what_is_decided_is_not_cancelled),
		CASE(test_what_is_cancelled_is_not_decided),
		CASE(test_documents_are_their_readers_own),
		CASE(test_what_is_restored_is_needed),
		CASE(test_a_glance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
