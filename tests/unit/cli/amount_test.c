/* Goal: numbers, sizes and rules are read as people write them, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/scope.h"
#include "cli/amount.h"

static void
test_count(void **state)
{
	static const char *const wrong[] = {
		"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "1000000000"};
	struct err e;
	int64_t count = -1;

	(void)state;
	assert_int_equal(amount_count("0", &count, &e), 0);
	assert_int_equal(count, 0);
	assert_int_equal(amount_count("999999999", &count, &e), 0);
	assert_int_equal(count, 999999999);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(amount_count(wrong[i], &count, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(count, 999999999);
	}
}

static void
test_size(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} right[] = {{"0", 0}, {"16777216", 16777216}, {"1K", 1024}, {"1KiB", 1024},
		{"512M", INT64_C(512) << 20}, {"2G", INT64_C(2) << 30}, {"3TiB", INT64_C(3) << 40},
		{"8388607T", INT64_C(8388607) << 40}};
	static const char *const wrong[] = {"", "G", "1g", "1KB", "1Ki", "1 G", "-1G", "1.5G",
		"1GG", "8388608T", "9999999999999999", "1GiBx"};
	struct err e;
	int64_t bytes = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(amount_size(right[i].text, &bytes, &e), 0);
		assert_int_equal(bytes, right[i].bytes);
	}
	bytes = -1;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(amount_size(wrong[i], &bytes, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(bytes, -1);
	}
}

static void
test_keep(void **state)
{
	static const char *const wrong[] = {"", ",", "daily", "daily=", "daily=x", "daily=1,",
		",daily=1", "daily=1,daily=1", "Daily=1", "daily =1", "dail=1", "dailyy=1",
		"daily=1 weekly=1"};
	SCOPED(json_decref_at) json_t *keep = NULL;
	json_t *none = NULL;
	struct err e;

	(void)state;
	assert_int_equal(amount_keep("last=1,hourly=2,daily=3,weekly=4,monthly=5,yearly=6,manual",
				 &keep, &e),
		0);
	SCOPED(json_decref_at)
	json_t *meant = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "last", 1, "hourly", 2,
		"daily", 3, "weekly", 4, "monthly", 5, "yearly", 6, "manual", 1);
	assert_true(json_equal(keep, meant));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(amount_keep(wrong[i], &none, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_null(none);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
