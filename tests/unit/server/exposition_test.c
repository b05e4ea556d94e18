/* Goal: what is counted is what is told: Prometheus' text, histograms, requests by route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "server/exposition.h"
#include "server/visits.h"

static void
test_samples(void **state)
{
	struct exposition x = EXPOSITION_INIT;
	SCOPED(free_at) char *text = NULL;

	(void)state;
	exposition_family(&x, "some_bytes", "gauge", "What it is.");
	exposition_sample(&x, NULL, 9007199254740991.0);
	exposition_sample(&x, NULL, -1);
	exposition_sample(&x, NULL, 0.25);
	exposition_sample(&x, (const char *const[]){"a", "plain", "b", "q\"b\\n\nend", NULL}, 1);
	text = buf_take(&x.text);
	assert_string_equal(text, "# HELP some_bytes What it is.\n# TYPE some_bytes gauge\n"
				  "some_bytes 9007199254740991\nsome_bytes -1\nsome_bytes 0.25\n"
				  "some_bytes{a=\"plain\",b=\"q\\\"b\\\\n\\nend\"} 1\n");
}

static void
test_histogram(void **state)
{
	static const double bounds[] = {0.5, 1, 10};
	static const double values[] = {0.1, 0.5, 0.6, 10, 10.5, 99};
	struct histogram h = {.bounds = bounds, .count = 3};
	struct exposition x = EXPOSITION_INIT;
	SCOPED(free_at) char *text = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		histogram_add(&h, values[i]);
	exposition_histogram(&x, "it_seconds", "How long.", &h);
	text = buf_take(&x.text);
	assert_non_null(strstr(text, "# TYPE it_seconds histogram\n"
				     "it_seconds_bucket{le=\"0.5\"} 2\n"
				     "it_seconds_bucket{le=\"1\"} 3\n"
				     "it_seconds_bucket{le=\"10\"} 4\n"
				     "it_seconds_bucket{le=\"+Inf\"} 6\n"));
	assert_non_null(strstr(text, "\nit_seconds_count 6\n"));
	assert_true(h.sum > 120.69 && h.sum < 120.71);
}

static int64_t
visits_of(struct visits *v, const char *pattern, int status)
{
	int count;
	SCOPED(free_at) struct visit *list = visits_list(v, &count);

	for (int i = 0; i < count; i++)
		if (strcmp(list[i].pattern, pattern) == 0 && list[i].status == status)
			return list[i].count;
	return 0;
}

static void
test_visits(void **state)
{
	struct visits *v = visits_new();
	int count;

	(void)state;
	for (int i = 0; i < 3; i++)
		visits_count(v, "GET", "/a", 200);
	visits_count(v, "HEAD", "/a", 404);
	visits_count(v, "GET", NULL, 404); /* of no route: neither method nor path is kept */
	assert_int_equal(visits_of(v, "/a", 200), 3);
	assert_int_equal(visits_of(v, "/a", 404), 1);
	assert_int_equal(visits_of(v, "none", 404), 1);
	free(visits_list(v, &count));
	assert_int_equal(count, 3);
	visits_free(v);
}

static void
test_visits_are_bounded(void **state)
{
	struct visits *v = visits_new();
	int64_t sum = 0;
	int count;

	(void)state;
	for (int i = 0; i < 2 * VISITS_MAX; i++)
		visits_count(v, "GET", "/a", 1000 + i);
	visits_count(v, "GET", "/a", 1000); /* one that is known has its own place still */
	SCOPED(free_at) struct visit *list = visits_list(v, &count);
	assert_int_equal(count, VISITS_MAX);
	for (int i = 0; i < count; i++)
		sum += list[i].count;
	assert_int_equal(sum, 2 * VISITS_MAX + 1);
	assert_int_equal(visits_of(v, "/a", 1000), 2);
	assert_int_equal(visits_of(v, "other", 0), VISITS_MAX + 1);
	visits_free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_visits),
		cmocka_unit_test(test_visits_are_bounded),
	};

	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
