/* Goal: containers start after those that they need, else as they did before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/sources/order.h"

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

static json_t *
service(const char *name, const char *depends)
{
	json_t *all = inspect(name, "2026-01-01T00:00:05Z", NULL, NULL);

	(void)json_object_set_new(all, "Config",
		json_pack("{s:{s:s, s:s, s:s}}", "Labels", "com.docker.compose.project", "shop",
			"com.docker.compose.service", name, "com.docker.compose.depends_on",
			depends));
	return all;
}

static void
test_compose(void **state)
{
	SCOPED(json_decref_at) json_t *all = json_object();
	SCOPED(json_decref_at) json_t *other = service("db", "");
	SCOPED(free_at) const char **names = NULL;
	json_t *app, *db, *cache, *d;

	(void)state;
	(void)json_object_set_new(all, "app",
		app = service("app", "db:service_healthy:false,cache:service_started:true,d"));
	(void)json_object_set_new(
		all, "cache", cache = service("cache", "db:service_started:false"));
	(void)json_object_set_new(all, "d", d = service("d", ""));
	(void)json_object_set_new(all, "db", db = service("db", ""));
	order_containers(all, &names);
	assert_string_equal(names[0], "db");
	assert_string_equal(names[1], "cache");
	assert_string_equal(names[2], "d");
	assert_string_equal(names[3], "app");
	assert_true(order_awaits_health(app, db));
	assert_false(order_awaits_health(app, cache));
	assert_false(order_awaits_health(app, d));
	assert_true(order_needs(app, d, true));
	assert_false(order_needs(app, db, false)); /* not by its id */
	assert_false(order_needs(db, app, true));
	(void)json_object_set_new(json_object_get(json_object_get(other, "Config"), "Labels"),
		"com.docker.compose.project", json_string("another"));
	assert_false(order_needs(app, other, true));
}

static void
test_fixed_addresses(void **state)
{
	SCOPED(json_decref_at) json_t *all = json_object();
	SCOPED(free_at) const char **names = NULL;
	json_t *fixed = inspect("fixed", "2026-01-01T00:00:09Z", NULL, NULL);

	(void)state;
	(void)json_object_set_new(fixed, "NetworkSettings",
		json_pack("{s:{s:{}, s:{s:{s:s}}}}", "Networks", "a", "b", "IPAMConfig",
			"IPv6Address", "fd00::9"));
	(void)json_object_set_new(
		all, "early", inspect("early", "2026-01-01T00:00:01Z", NULL, NULL));
	(void)json_object_set_new(all, "fixed", fixed);
	order_containers(all, &names);
	assert_string_equal(names[0], "fixed");
	assert_string_equal(names[1], "early");
	assert_true(order_is_fixed(fixed));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_circle),
		cmocka_unit_test(test_compose),
		cmocka_unit_test(test_fixed_addresses),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
