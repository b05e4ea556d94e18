/* Goal: plans are checked field by field, and take just the containers that they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/operations/inspect.h"
#include "jobs/plan/plan.h"

static const struct {
	const char *plan;
	const char *says; /* in the error */
} wrong[] = {
	{"[]", "object"},
	{"{\"contaners\": {}}", "contaners"},
	{"{\"containers\": []}", "containers"},
	{"{\"containers\": {\"name\": []}}", "name"},
	{"{\"containers\": {\"names\": [1]}}", "names"},
	{"{\"containers\": {\"names\": [\"\"]}}", "names"},
	{"{\"host_paths\": [\"etc\"]}", "absolute"},
	{"{\"host_paths\": [\"/\"]}", "absolute"},
	{"{\"host_paths\": [\"/etc/\"]}", "absolute"},
	{"{\"host_paths\": [\"/etc/../root\"]}", "absolute"},
	{"{\"host_paths\": [\"/etc/..\"]}", "absolute"},
	{"{\"tmpfs\": \"yes\"}", "true or false"},
	{"{\"unreadable\": \"skip\"}", "mark"},
	{"{\"on_error\": \"mark\"}", "continue"},
	{"{\"on_error\": \"fail\", \"unreadable\": \"mark\"}", "otherwise"},
	{"{\"keep\": 7}", "keep"},
	{"{\"keep\": {\"last\": 0}}", "plan: keep"},
	{"{\"schedule\": \"daily\"}", "schedule"},
	{"{\"schedule\": {\"every\": \"1s\"}}", "plan: schedule"},
};

static void
test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		SCOPED(json_decref_at) json_t *document = json_loads(wrong[i].plan, 0, NULL);
		struct plan *p = NULL;
		struct err e;

		assert_int_equal(plan_parse(document, &p, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		if (strstr(e.text, wrong[i].says) == NULL)
			fail_msg("%s: %s", wrong[i].plan, e.text);
	}
}

static const struct {
	const char *plan;
	const char *takes; /* of a b c */
} selections[] = {
	{"{}", "abc"},
	{"{\"containers\": {\"names\": [\"a*\"]}}", "a"},
	{"{\"containers\": {\"labels\": [\"tier\"]}}", "ab"},
	{"{\"containers\": {\"labels\": [\"tier=b*\"]}}", "b"},
	{"{\"containers\": {\"projects\": [\"shop\"]}}", "c"},
	{"{\"containers\": {\"names\": [\"a\"], \"projects\": [\"shop\"]}}", "ac"},
	{"{\"containers\": {\"exclude_names\": [\"a\"]}}", "bc"},
	{"{\"containers\": {\"exclude_labels\": [\"tier\"]}}", "c"},
};

static void
test_selection(void **state)
{
	static const char *const inspects[] = {
		"{\"Name\": \"/a\", \"Config\": {\"Labels\": {\"tier\": \"front\"}}}",
		"{\"Name\": \"/b\", \"Config\": {\"Labels\": {\"tier\": \"back\"}}}",
		"{\"Name\": \"/c\", \"Config\": {\"Labels\": "
		"{\"com.docker.compose.project\": \"shop\"}}}",
		"{\"Name\": \"/d\", \"Config\": {\"Labels\": {\"fuel-backup.exclude\": "
		"\"true\"}}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(selections) / sizeof(selections[0]); i++) {
		SCOPED(json_decref_at) json_t *document = json_loads(selections[i].plan, 0, NULL);
		SCOPED(plan_free_at) struct plan *p = NULL;
		char taken[5] = "";
		size_t count = 0;
		struct err e;

		assert_int_equal(plan_parse(document, &p, &e), 0);
		for (size_t k = 0; k < 4; k++) {
			SCOPED(json_decref_at) json_t *inspect = json_loads(inspects[k], 0, NULL);

			if (plan_takes(p, inspect))
				taken[count++] = "abcd"[k];
		}
		assert_string_equal(taken, selections[i].takes);
	}
}

/* A task goes by its own name and by its service's; an image made of one has its labels. */
static void
test_tasks(void **state)
{
	static const char task[] =
		"{'Name': '/shop_web.1.abc', 'Config': {'Labels': {'com.docker.stack.namespace': "
		"'shop', 'com.docker.swarm.task.id': 'abc', 'com.docker.swarm.task.name': "
		"'shop_web.1.abc', 'com.docker.swarm.service.name': 'shop_web'}}}";
	static const struct {
		const char *containers;
		bool takes;
	} cases[] = {
		{"{}", true},
		{"{\"names\": [\"shop_web\"]}", true},
		{"{\"names\": [\"shop_web.1.abc\"]}", true},
		{"{\"names\": [\"shop\"]}", false},
		{"{\"projects\": [\"shop\"]}", true},
		{"{\"exclude_names\": [\"shop_web\"]}", false},
		{"{\"projects\": [\"shop\"], \"exclude_names\": [\"*.abc\"]}", false},
	};
	SCOPED(free_at) char *text = strdup(task);

	(void)state;
	for (char *at = text; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	SCOPED(json_decref_at) json_t *inspect = json_loads(text, 0, NULL);

	assert_string_equal(container_service(inspect), "shop_web");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SCOPED(json_decref_at)
		json_t *document =
			json_pack("{s:o}", "containers", json_loads(cases[i].containers, 0, NULL));
		SCOPED(plan_free_at) struct plan *p = NULL;
		struct err e;

		assert_int_equal(plan_parse(document, &p, &e), 0);
		assert_int_equal(plan_takes(p, inspect), cases[i].takes);
	}
	(void)json_object_set_new(inspect, "Name", json_string("/of-its-image"));
	assert_null(container_service(inspect));
}

static void
test_same(void **state)
{
	static const struct {
		const char *plan, *other;
		bool same;
	} cases[] = {
		{"{}", "{}", true},
		{"{\"exclude\": [\"a\"]}", "{\"exclude\": [\"a\"]}", true},
		{"{\"exclude\": [\"a\"]}", "{\"exclude\": [\"b\"]}", false},
		{"{\"tmpfs\": false}", "{}", true},
		{"{\"tmpfs\": true}", "{}", false},
		{"{\"keep\": {\"last\": 1}}", "{\"schedule\": {\"every\": \"1h\"}}", true},
		{"{\"keep\": {\"last\": 1}}", "{\"host_paths\": [\"/etc\"]}", false},
		{NULL,
			"{\"containers\": {\"names\": [\"*\"]}, \"host_paths\": [], \"exclude\": "
			"[]}",
			true},
		{NULL,
			"{\"containers\": {\"names\": [\"*\"]}, \"exclude\": [], \"host_paths\": "
			"[\"/var/www/nailgun\", \"/etc/puppet\", \"/etc/fuel\", \"/var/lib/fuel\", "
			"\"/root/.ssh\"]}",
			true},
		{NULL, "{\"containers\": {\"names\": [\"*\"]}}", false},
		{"{}", "null", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		SCOPED(json_decref_at)
		json_t *plan = cases[i].plan == NULL ? NULL : json_loads(cases[i].plan, 0, NULL);
		SCOPED(json_decref_at)
		json_t *other = json_loads(cases[i].other, JSON_DECODE_ANY, NULL);
		SCOPED(plan_free_at) struct plan *p = NULL;
		struct err e;

		assert_int_equal(plan_parse(plan, &p, &e), 0);
		assert_int_equal(plan_same(p, other), cases[i].same);
		if (cases[i].same)
			assert_true(plan_same(p, other)); /* and changes nothing */
	}
}

static void
test_fuel(void **state)
{
	SCOPED(plan_free_at) struct plan *p = NULL;
	struct err e;

	(void)state;
	assert_int_equal(plan_parse(NULL, &p, &e), 0);
	assert_true(p->embedded);
	assert_int_equal(json_array_size(p->host_paths), 0);
	plan_add_fuel(p);
	assert_int_equal(json_array_size(p->host_paths), 5);
	assert_string_equal(
		json_string_value(json_array_get(p->host_paths, 0)), "/var/www/nailgun");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_fuel),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
