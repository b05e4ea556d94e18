/* Goal: the rules of `keep` keep what a slow and obvious model of them keeps, at any times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/scope.h"
#include "jobs/plan/keep.h"

/* xorshift64 (Marsaglia 2003), so that a failure can be repeated. */
static uint64_t state = 88172645463325252U;

static uint64_t
draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* The model: a period is a text of the calendar, as date(1) has it. */
static void
label(enum keep_rule rule, int64_t time_s, char text[32])
{
	const time_t t = (time_t)time_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	if (rule == KEEP_HOURLY)
		(void)strftime(text, 32, "%Y-%m-%d %H", &tm);
	else if (rule == KEEP_DAILY)
		(void)strftime(text, 32, "%Y-%m-%d", &tm);
	else if (rule == KEEP_WEEKLY)
		(void)strftime(text, 32, "%G-W%V", &tm);
	else if (rule == KEEP_MONTHLY)
		(void)strftime(text, 32, "%Y-%m", &tm);
	else
		(void)strftime(text, 32, "%Y", &tm);
}

/* How many different periods there are among the first ${count} backups. */
static int
periods(enum keep_rule rule, const int64_t *times, size_t count)
{
	int different = 0;

	for (size_t i = 0; i < count; i++) {
		bool seen = false;
		char mine[32], other[32];

		label(rule, times[i], mine);
		for (size_t j = 0; j < i && !seen; j++) {
			label(rule, times[j], other);
			seen = strcmp(mine, other) == 0;
		}
		different += seen ? 0 : 1;
	}
	return different;
}

/* Newest of its period, and of the last N periods that have one. */
static bool
model(enum keep_rule rule, int n, const int64_t *times, size_t at)
{
	if (rule == KEEP_LAST)
		return at < (size_t)n;
	const int before = periods(rule, times, at);
	return periods(rule, times, at + 1) > before && before < n;
}

static int
newest_first(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

static void
random_times(int64_t *times, size_t count)
{
	static const uint64_t spans[] = {
		600, 7200, 86400, 20 * 86400, 900 * 86400U, 20U * 366 * 86400};
	const uint64_t span = spans[draw(6)];
	const int64_t from = (int64_t)draw(2000000000);

	for (size_t i = 0; i < count; i++)
		times[i] = from + (int64_t)draw(span);
	qsort(times, count, sizeof(*times), newest_first);
}

static void
test_against_the_model(void **context)
{
	enum { MOST = 40, TURNS = 1500 };

	(void)context;
	for (int turn = 0; turn < TURNS; turn++) {
		const size_t count = draw(MOST + 1);
		int64_t times[MOST];
		unsigned rules[MOST];
		struct keep k = {0};

		random_times(times, count);
		for (int rule = 0; rule < KEEP_RULES; rule++)
			k.count[rule] = draw(3) == 0 ? 0 : (int)draw(8);
		keep_judge(&k, times, count, rules);
		for (size_t i = 0; i < count; i++)
			for (int rule = 0; rule < KEEP_RULES; rule++)
				if ((((rules[i] >> rule) & 1) != 0) !=
					model((enum keep_rule)rule, k.count[rule], times, i))
					fail_msg("turn %d: backup %zu at %lld, rule %s %d", turn, i,
						(long long)times[i],
						keep_name((enum keep_rule)rule), k.count[rule]);
	}
}

/* Each hour of eight years that end and begin within a week, leap years among them. */
static void
test_every_hour(void **context)
{
	enum { HOURS = 8 * 366 * 24 };
	SCOPED(free_at) int64_t *times = mem_array(NULL, HOURS, sizeof(*times));
	SCOPED(free_at) unsigned *rules = mem_array(NULL, HOURS, sizeof(*rules));
	const struct keep k = {
		.count = {KEEP_MAX, KEEP_MAX, KEEP_MAX, KEEP_MAX, KEEP_MAX, KEEP_MAX}};
	char mine[32], newer[32];

	(void)context;
	for (size_t i = 0; i < HOURS; i++)
		times[i] = INT64_C(1804000000) - (int64_t)i * 3600;
	keep_judge(&k, times, HOURS, rules);
	for (size_t i = 1; i < HOURS; i++)
		for (int rule = KEEP_HOURLY; rule < KEEP_RULES; rule++) {
			label((enum keep_rule)rule, times[i], mine);
			label((enum keep_rule)rule, times[i - 1], newer);
			assert_int_equal((rules[i] >> rule) & 1, strcmp(mine, newer) != 0);
		}
}

/* Whatever the rules: the newest stays, and who keeps more removes nothing more. */
static void
test_the_newest_stays(void **context)
{
	enum { COUNT = 30 };
	int64_t times[COUNT];
	unsigned rules[COUNT], more[COUNT];

	(void)context;
	for (int turn = 0; turn < 500; turn++) {
		struct keep k = {0};

		random_times(times, COUNT);
		k.count[draw(KEEP_RULES)] = 1 + (int)draw(5);
		keep_judge(&k, times, COUNT, rules);
		assert_true(rules[0] != 0);
		k.count[draw(KEEP_RULES)] += 1;
		keep_judge(&k, times, COUNT, more);
		for (size_t i = 0; i < COUNT; i++)
			assert_int_equal(rules[i] & ~more[i], 0);
	}
}

/* In days, the newest first; a letter each: is it doubted? */
static void
doubt_is(const char *expected, size_t count, const int64_t *days, int64_t now)
{
	bool doubtful[16];
	char found[17] = "";

	assert_true(count <= 16);
	keep_doubt(days, count, now, doubtful);
	for (size_t i = 0; i < count; i++)
		found[i] = doubtful[i] ? '?' : '.';
	assert_string_equal(found, expected);
}

#define DOUBT(expected, now, ...)                                                                  \
	doubt_is(expected, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                     \
		(const int64_t[]){__VA_ARGS__}, now)

static void
test_doubt(void **context)
{
	(void)context;
	doubt_is("", 0, NULL, 5);
	DOUBT(".", 100, 100);
	DOUBT("?", 100, 101);
	DOUBT("....", 100, 99, 98, 98, 90);
	/* the clock was ahead once, for one or for several, and was set right */
	DOUBT(".?..", 100, 100, 500, 98, 97);
	DOUBT(".??..", 100, 100, 501, 500, 98, 97);
	DOUBT("??", 100, 501, 500);
	/* later those times have come */
	DOUBT("...?..", 600, 598, 590, 589, 595, 98, 97);
	DOUBT("...?.", 600, 510, 509, 508, 512, 97);
	/* it was dead, and began in 1970 */
	DOUBT(".?...", 100, 100, 0, 98, 97, 96);
	DOUBT("??..", 100, 1, 0, 98, 97);
	/* it is dead now: nothing is believed */
	DOUBT("???", 1, 100, 99, 98);
}

/* What is left agrees with the order, and no single one more would. */
static void
test_doubt_at_random(void **context)
{
	enum { COUNT = 12 };

	(void)context;
	for (int turn = 0; turn < 300; turn++) {
		int64_t times[COUNT], last = INT64_MAX;
		bool doubtful[COUNT];
		int longest = 0, left = 0;

		for (size_t i = 0; i < COUNT; i++)
			times[i] = (int64_t)draw(20);
		keep_doubt(times, COUNT, 15, doubtful);
		for (size_t i = 0; i < COUNT; i++) {
			if (doubtful[i])
				continue;
			assert_true(times[i] <= last && times[i] <= 15);
			last = times[i];
			left++;
		}
		for (unsigned set = 0; set < 1U << COUNT; set++) { /* the model tries them all */
			int64_t before = INT64_MAX;
			int length = 0;

			for (size_t i = 0; i < COUNT && length >= 0; i++) {
				if ((set >> i & 1) == 0)
					continue;
				length = times[i] <= before && times[i] <= 15 ? length + 1 : -100;
				before = times[i];
			}
			longest = length > longest ? length : longest;
		}
		assert_int_equal(left, longest);
	}
}

static void
test_parse(void **context)
{
	static const struct {
		const char *text, *says; /* NULL: it is right */
	} cases[] = {
		{"{\"last\": 1}", NULL},
		{"{\"last\": 0, \"yearly\": 100000}", NULL},
		{"{}", "above 0"},
		{"{\"last\": 0}", "above 0"},
		{"{\"last\": -1}", "last"},
		{"{\"daily\": 100001}", "100000"},
		{"{\"daily\": 1.5}", "daily"},
		{"{\"daily\": \"7\"}", "daily"},
		{"{\"daily\": null}", "daily"},
		{"{\"dayly\": 7}", "dayly"},
		{"{\"daily\": 7, \"manual\": true}", NULL},
		{"{\"daily\": 7, \"manual\": false}", NULL},
		{"{\"manual\": true}", "above 0"},
		{"{\"daily\": 7, \"manual\": 1}", "manual"},
		{"[]", "object"},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		SCOPED(json_decref_at) json_t *document = json_loads(cases[i].text, 0, NULL);
		struct keep k;
		struct err e;
		const int result = keep_parse(document, &k, &e);

		assert_int_equal(result, cases[i].says == NULL ? 0 : -1);
		if (result != 0 && (e.code != ERR_INVALID || strstr(e.text, cases[i].says) == NULL))
			fail_msg("%s: %s", cases[i].text, e.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_the_model),
		cmocka_unit_test(test_every_hour),
		cmocka_unit_test(test_the_newest_stays),
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_doubt_at_random),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
