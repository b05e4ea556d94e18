/* Goal: the sentence about what is in a backup of the last day counts only what could be restored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "engine/lender/lender.h"
#include "jobs/monitoring/coverage.h"

/* 2027-01-15T08:00:00Z. */
static const int64_t NOW_NS = INT64_C(1800000000) * 1000000000;

static json_t *
containers(void)
{
	return json_pack("[{s:s, s:[s], s:{}}, {s:s, s:[s], s:{}}, {s:s, s:[s], s:{s:s}}, "
			 "{s:s, s:[s], s:{s:s}}, {s:s, s:[s], s:n}]",
		"Id", "1", "Names", "/web", "Labels", "Id", "2", "Names", "/db", "Labels", "Id",
		"3", "Names", "/cache", "Labels", "fuel-backup.exclude", "true", "Id", "4", "Names",
		"/lender", "Labels", LENDER_LABEL, "x", "Id", "5", "Names", "/fuel-backup",
		"Labels");
}

static json_t *
backup(const char *at, const char *state, const char *names)
{
	json_t *list = json_array();

	for (const char *n = names; *n != '\0'; n += strcspn(n, " "), n += strspn(n, " "))
		(void)json_array_append_new(list, json_pack("{s:s#}", "name", n, strcspn(n, " ")));
	return json_pack("{s:s, s:s, s:s, s:o}", "created_at", at, "state", state, "origin",
		"manual", "containers", list);
}

static void
missing_are(const char *expected, json_t *backups, const char *oldest)
{
	SCOPED(json_decref_at) json_t *list = containers();
	SCOPED(json_decref_at) json_t *all = backups;
	SCOPED(json_decref_at) json_t *found = coverage_judge(list, "5", all, NOW_NS);
	const json_t *one;
	char text[256] = "";
	size_t i;

	json_array_foreach (json_object_get(found, "missing"), i, one) {
		(void)strcat(text, json_string_value(one));
		(void)strcat(text, " ");
	}
	assert_string_equal(text, expected);
	assert_int_equal(json_integer_value(json_object_get(found, "containers")), 2);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(found, "left_out"), 0)), "cache");
	if (oldest == NULL)
		assert_true(json_is_null(json_object_get(found, "oldest_at")));
	else
		assert_string_equal(json_string_value(json_object_get(found, "oldest_at")), oldest);
}

#define FRESH "2027-01-15T07:00:00.000Z"
#define OLDER "2027-01-14T09:00:00.000Z"
#define STALE "2027-01-14T07:59:59.000Z"

static void
test_what_counts(void **state)
{
	(void)state;
	missing_are("web db ", json_array(), NULL);
	missing_are("", json_pack("[o]", backup(FRESH, "complete", "web db")), FRESH);
	missing_are("", json_pack("[o]", backup(FRESH, "partial", "web db")), FRESH);
	missing_are("db ", json_pack("[o]", backup(FRESH, "complete", "web")), FRESH);
	missing_are("web db ", json_pack("[o]", backup(STALE, "complete", "web db")), NULL);
	missing_are("web db ", json_pack("[o]", backup(FRESH, "failed", "web db")), NULL);
	missing_are("web db ", json_pack("[o]", backup(FRESH, "running", "web db")), NULL);
	/* of each the newest */
	missing_are("",
		json_pack("[o, o]", backup(FRESH, "complete", "web"),
			backup(OLDER, "complete", "web db")),
		OLDER);
	missing_are("db ",
		json_pack("[o, o]", backup(FRESH, "complete", "web"),
			backup(STALE, "complete", "web db")),
		FRESH);
}

/* One with this besides vouches for nothing. */
static void
spoiled(const char *key, json_t *value)
{
	json_t *one = backup(FRESH, "complete", "web db");

	(void)json_object_set_new(one, key, value);
	missing_are("web db ", json_pack("[o]", one), NULL);
}

static void
test_what_does_not(void **state)
{
	json_t *one = backup(FRESH, "partial", "web db");

	(void)state;
	spoiled("damaged", json_true());
	spoiled("future", json_true());
	spoiled("origin", json_string("import"));
	(void)json_object_set_new(one, "omitted",
		json_pack("[{s:s, s:s}, {s:s, s:s}]", "kind", "container", "name", "db", "kind",
			"volume", "name", "web"));
	missing_are("db ", json_pack("[o]", one), FRESH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_what_does_not),
	};

	return cmocka_run_group_tests_name("coverage", tests, NULL, NULL);
}
