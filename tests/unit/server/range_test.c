/* Goal: byte ranges and entity tags as RFC 9110 has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/range.h"

static const struct {
	const char *header;
	int64_t size;
	int result;
	int64_t first, len;
} cases[] = {
	{NULL, 100, 0, 0, 0},
	{"bytes=0-0", 100, 1, 0, 1},
	{"bytes=0-", 100, 1, 0, 100},
	{"bytes=99-", 100, 1, 99, 1},
	{"bytes=10-19", 100, 1, 10, 10},
	{"bytes=90-1000", 100, 1, 90, 10},
	{"bytes=-5", 100, 1, 95, 5},
	{"bytes=-500", 100, 1, 0, 100},
	{"bytes=100-", 100, -1, 0, 0},
	{"bytes=100-200", 100, -1, 0, 0},
	{"bytes=-0", 100, -1, 0, 0},
	{"bytes=0-", 0, -1, 0, 0},
	{"bytes=20-10", 100, 0, 0, 0},
	{"bytes=100-99", 100, 0, 0, 0},
	{"bytes=0-1,5-6", 100, 0, 0, 0},
	{"bytes=x-", 100, 0, 0, 0},
	{"bytes=-", 100, 0, 0, 0},
	{"bytes=1", 100, 0, 0, 0},
	{"bytes=99999999999999999999-", 100, -1, 0, 0},
	{"bytes=0-9999999999999999999", 100, 1, 0, 100}, /* 19 digits */
	{"bytes=90-99999999999999999999999", 100, 1, 90, 10},
	{"bytes=0-9223372036854775807", 100, 1, 0, 100},
	{"bytes=0-18446744073709551616", 100, 1, 0, 100},
	{"bytes=-9999999999999999999", 100, 1, 0, 100},
	{"bytes=00000000000000000000000000-00000000000000000000000009", 100, 1, 0, 10},
	{"bytes=9999999999999999999-9999999999999999998", 100, -1, 0, 0},
	{"lines=1-2", 100, 0, 0, 0},
};

static void
test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct range r = {0};
		const int result = range_parse(cases[i].header, cases[i].size, &r);

		if (result != cases[i].result ||
			(result == 1 && (r.first != cases[i].first || r.len != cases[i].len)))
			fail_msg("%s: %d %lld %lld", cases[i].header, result, (long long)r.first,
				(long long)r.len);
	}
}

static void
test_etags(void **state)
{
	(void)state;
	assert_true(etag_listed("\"a\"", "\"a\""));
	assert_true(etag_listed("\"b\", \"a\"", "\"a\""));
	assert_true(etag_listed("W/\"a\"", "\"a\""));
	assert_true(etag_listed("*", "\"a\""));
	assert_false(etag_listed(NULL, "\"a\""));
	assert_false(etag_listed("\"ab\"", "\"a\""));
	assert_false(etag_listed("a", "\"a\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_etags),
	};

	return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
