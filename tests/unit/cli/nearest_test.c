/* Goal: what was probably meant is the nearest word, and nothing if none is near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <string.h>

#include "cli/nearest.h"

static void
test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		int distance;
	} cases[] = {{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"list", "list", 0},
		{"lsit", "list", 1}, {"lst", "list", 1}, {"liist", "list", 1}, {"lisp", "list", 1},
		{"kitten", "sitting", 3}, {"ca", "abc", 3}, {"restroe", "restore", 1},
		{"tsil", "list", 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(nearest_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(nearest_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
}

static void
test_long(void **state)
{
	char longest[NEAREST_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[NEAREST_MAX] = '\0';
	assert_int_equal(nearest_distance(longest, longest), 0);
	assert_int_equal(nearest_distance("", longest), NEAREST_MAX);
	longest[NEAREST_MAX] = 'x';
	longest[NEAREST_MAX + 1] = '\0';
	assert_int_equal(nearest_distance(longest, "x"), INT_MAX);
	assert_int_equal(nearest_distance("x", longest), INT_MAX);
}

static void
test_offer(void **state)
{
	struct nearest near = {.text = "restroe"};

	(void)state;
	nearest_offer(&near, "list");
	assert_null(near.best);
	nearest_offer(&near, "restores");
	assert_string_equal(near.best, "restores");
	nearest_offer(&near, "restore");
	assert_string_equal(near.best, "restore");
	nearest_offer(&near, "restroy"); /* as near, and later */
	assert_string_equal(near.best, "restore");
	near = (struct nearest){.text = "lx"};
	nearest_offer(&near, "ls"); /* half of it is wrong */
	assert_null(near.best);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_offer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
