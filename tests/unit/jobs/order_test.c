/* Goal: containers start after those that they need, else as they did before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/order.h"

static json_t *
inspect(const char *name, const char *started, const char *field, json_t *value)
{
	json_t *host = json_object();

	if (field != NULL)
		(void)json_object_set_new(host, field, value);
	return json_pack("{s:s, s:s++, s:{s:s}, s:o}", "Name", name, "Id", name,
		"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef", "State",
		"StartedAt", started, "HostConfig", host);
}

static void
test_order(void **state)
{
	SCOPED(json_decref_at) json_t *all = json_object();
	SCOPED(free_at) const char **names = NULL;

	(void)state;
	(void)json_object_set_new(all, "late", inspect("late", "2026-01-01T00:00:03Z", NULL, NULL));
	(void)json_object_set_new(all, "first",
		inspect("first", "2026-01-01T00:00:01Z", "VolumesFrom",
			json_pack("[s]", "late:ro")));
	(void)json_object_set_new(all, "linked",
		inspect("linked", "2026-01-01T00:00:00Z", "Links",
			json_pack("[s]", "/first:/linked/alias")));
	(void)json_object_set_new(all, "mode",
		inspect("mode", "2026-01-01T00:00:00Z", "NetworkMode",
			json_string("container:linked0123456789abcdef")));
	order_containers(all, &names);
	assert_string_equal(names[0], "late");
	assert_string_equal(names[1], "first");
	assert_string_equal(names[2], "linked");
	assert_string_equal(names[3], "mode");
	assert_true(
		order_needs(json_object_get(all, "mode"), json_object_get(all, "linked"), false));
	assert_false(
		order_needs(json_object_get(all, "first"), json_object_get(all, "late"), false));
	assert_true(order_needs(json_object_get(all, "first"), json_object_get(all, "late"), true));
}

static void
test_circle(void **state)
{
	SCOPED(json_decref_at) json_t *all = json_object();
	SCOPED(free_at) const char **names = NULL;

	(void)state;
	(void)json_object_set_new(all, "a",
		inspect("a", "2026-01-01T00:00:01Z", "Links", json_pack("[s]", "/b:/a/b")));
	(void)json_object_set_new(all, "b",
		inspect("b", "2026-01-01T00:00:02Z", "Links", json_pack("[s]", "/a:/b/a")));
	order_containers(all, &names);
	assert_string_equal(names[0], "b");
	assert_string_equal(names[1], "a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_circle),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
