/* Goal: a container gets the time that its health check and its own record ask for, within limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/restore/containers/start_limit.h"

#define S INT64_C(1000000000)

static json_t *
with_check(json_t *check)
{
	return json_pack("{s:{s:o}, s:{s:s}}", "Config", "Healthcheck", check, "State", "StartedAt",
		"2026-11-30T10:00:00.5Z");
}

static int64_t
limit_of(json_t *inspect)
{
	SCOPED(json_decref_at) json_t *owned = inspect;

	return start_limit_ms(owned);
}

static void
test_times(void **state)
{
	(void)state;
	assert_int_equal(start_limit_time_ms("1970-01-01T00:00:01Z"), 1000);
	assert_int_equal(start_limit_time_ms("1970-01-01T00:00:01.25Z"), 1250);
	assert_int_equal(start_limit_time_ms("1970-01-01T00:00:01.123456789Z"), 1123);
	assert_int_equal(start_limit_time_ms("1970-01-01T02:00:01.5+02:00"), 1500);
	assert_int_equal(start_limit_time_ms("1969-12-31T21:30:01-02:30"), 1000);
	assert_int_equal(start_limit_time_ms(""), -1);
	assert_int_equal(start_limit_time_ms("yesterday"), -1);
	assert_int_equal(start_limit_time_ms("2026-11-30T10:00:00 noon"), -1);
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(limit_of(json_object()), START_LIMIT_MIN_MS);
	assert_int_equal(limit_of(with_check(json_pack("{s:I, s:I, s:i}", "Interval", (json_int_t)S,
				 "Timeout", (json_int_t)S, "Retries", 1))),
		START_LIMIT_MIN_MS);
	/* The engine's defaults: 30 s, 30 s, 3 tries; one more for the probe that is under way. */
	assert_int_equal(limit_of(with_check(json_object())), 240 * 1000);
	assert_int_equal(
		limit_of(with_check(json_pack("{s:I}", "StartPeriod", (json_int_t)(600 * S)))),
		840 * 1000);
	/* Nothing that somebody wrote into it makes a restore wait for ever. */
	assert_int_equal(
		limit_of(with_check(json_pack("{s:I, s:I, s:I, s:I}", "StartPeriod",
			(json_int_t)INT64_MAX, "Interval", (json_int_t)INT64_MAX, "Timeout",
			(json_int_t)INT64_MAX, "Retries", (json_int_t)INT64_MAX))),
		START_LIMIT_MAX_MS);
	assert_int_equal(
		limit_of(with_check(json_pack("{s:I, s:I, s:I}", "StartPeriod", (json_int_t)-S,
			"Interval", (json_int_t)-1, "Retries", (json_int_t)INT64_MIN))),
		240 * 1000);
}

/* Its log of probes: ${failed} of them, then one that succeeds after ${end}. */
static json_t *
with_log(int failed, const char *end, int more)
{
	json_t *inspect = with_check(json_pack("{s:i}", "Retries", 1));
	json_t *log = json_array();

	for (int i = 0; i < failed; i++)
		(void)json_array_append_new(
			log, json_pack("{s:s, s:i}", "End", "x", "ExitCode", 1));
	for (int i = 0; i < more; i++)
		(void)json_array_append_new(
			log, json_pack("{s:s, s:i}", "End", end, "ExitCode", 0));
	(void)json_object_set_new(
		json_object_get(inspect, "State"), "Health", json_pack("{s:o}", "Log", log));
	return inspect;
}

static void
test_record(void **state)
{
	(void)state;
	assert_int_equal(limit_of(with_log(1, "2026-11-30T10:05:00.5Z", 1)), 600 * 1000);
	assert_int_equal(limit_of(with_log(0, "2026-11-30T11:05:00.5+01:00", 1)), 600 * 1000);
	/* Five successes: its first one may be long gone. */
	assert_int_equal(limit_of(with_log(0, "2026-11-30T10:05:00.5Z", 5)), 120 * 1000);
	assert_int_equal(limit_of(with_log(5, "2026-11-30T10:05:00.5Z", 0)), 120 * 1000);
}

static void
test_policies(void **state)
{
	SCOPED(json_decref_at)
	json_t *loop = json_pack("{s:i, s:{s:s, s:b}, s:{s:{s:s}}}", "RestartCount", 3, "State",
		"StartedAt", "2026-11-30T10:00:00Z", "Restarting", 0, "HostConfig", "RestartPolicy",
		"Name", "always");
	SCOPED(json_decref_at)
	json_t *plain = json_pack("{s:{s:{s:s}}}", "HostConfig", "RestartPolicy", "Name", "no");

	(void)state;
	assert_true(start_limit_comes_again(loop));
	assert_false(start_limit_comes_again(plain));
	assert_true(start_limit_looped(loop, "2026-11-30T10:00:03Z"));
	assert_false(start_limit_looped(loop, "2026-11-30T10:01:00Z"));
	assert_false(start_limit_looped(plain, "2026-11-30T10:01:00Z"));
	(void)json_object_set_new(json_object_get(loop, "State"), "Restarting", json_true());
	assert_true(start_limit_looped(loop, "2026-11-30T10:01:00Z"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
