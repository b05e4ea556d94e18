/* Goal: a backup is overdue when it is, whatever the clock said once; and the engine's clock is
 * measured whatever form its time has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "jobs/monitoring/notifier.h"
#include "jobs/operations/host_facts.h"

static const int64_t HOUR_NS = INT64_C(3600) * 1000000000,
		     NOW_NS = INT64_C(1800000000) * 1000000000;

static void
overdue_is(bool expected, int64_t hours, int64_t success_ns, int64_t next_ns, int64_t runs_ns)
{
	const struct notifier_options options = {.overdue_hours = hours};
	struct figures f = {.plans_count = 1, .schedule_next_ns = next_ns};
	char summary[256] = "";

	f.plans[0].success_ns = success_ns;
	assert_int_equal(notifier_overdue_why(&options, &f, NOW_NS, runs_ns, summary), expected);
	assert_int_equal(strstr(summary, "overdue") != NULL, expected);
}

static void
test_overdue(void **state)
{
	(void)state;
	overdue_is(false, 24, NOW_NS - 23 * HOUR_NS, 0, 0);
	overdue_is(true, 24, NOW_NS - 25 * HOUR_NS, 0, 0);
	overdue_is(false, 0, NOW_NS - 2500 * HOUR_NS, 0, 5000 * HOUR_NS);
	/* none yet: since the service runs */
	overdue_is(false, 24, 0, 0, 23 * HOUR_NS);
	overdue_is(true, 24, 0, 0, 25 * HOUR_NS);
	/* the only one is of a time that is still to come: none */
	overdue_is(false, 24, NOW_NS + 9000 * HOUR_NS, 0, 23 * HOUR_NS);
	overdue_is(true, 24, NOW_NS + 9000 * HOUR_NS, 0, 25 * HOUR_NS);
	/* by the schedule */
	overdue_is(false, 0, 0, NOW_NS + HOUR_NS, 0);
	overdue_is(false, 0, 0, NOW_NS - HOUR_NS / 5, 0);
	overdue_is(true, 0, 0, NOW_NS - HOUR_NS / 3, 0);
}

static void
clock_is(const char *text, bool known, int64_t ahead_ns, int64_t took_ns)
{
	SCOPED(json_decref_at) json_t *info = json_pack("{s:s?}", "SystemTime", text);
	int64_t found_ns = -1;

	assert_int_equal(
		host_clock(info, NOW_NS - took_ns / 2, NOW_NS + took_ns / 2, &found_ns), known);
	if (known)
		assert_int_equal(found_ns, ahead_ns);
}

/* Ours is at 2027-01-15T08:00:00Z. */
static void
test_clock(void **state)
{
	(void)state;
	clock_is("2027-01-15T08:00:00Z", true, 0, 0);
	clock_is("2027-01-15T08:00:01.999999999Z", true, 0, 0);
	clock_is("2027-01-15T08:00:02.5Z", true, INT64_C(2500000000), 0);
	clock_is("2027-01-15T08:00:02.5Z", true, 0, INT64_C(4000000000));
	clock_is("2027-01-15T07:00:00Z", true, -HOUR_NS, 0);
	clock_is("2027-01-15T10:00:00.000000001+01:00", true, HOUR_NS + 1, 0);
	clock_is("2027-01-15T04:30:00-03:30", true, 0, 0);
	clock_is("2027-01-15T04:30:00.123456789-03:30", true, 0, 0);
	clock_is("1970-01-01T00:00:00Z", true, -NOW_NS, 0);
	clock_is("2027-01-15T08:00:00", false, 0, 0);
	clock_is("yesterday", false, 0, 0);
	clock_is("", false, 0, 0);
	clock_is(NULL, false, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overdue),
		cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests_name("overdue", tests, NULL, NULL);
}
