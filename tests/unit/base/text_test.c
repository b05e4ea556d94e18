/* Goal: whatever a file is called, its name can be told in JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/problem.h"
#include "base/scope.h"
#include "base/text.h"

static const struct {
	const char *text, *json;
} cases[] = {
	{"", ""},
	{"plain", "plain"},
	{"caf\xc3\xa9", "caf\xc3\xa9"},
	{"caf\xe9 and more", "caf\\xe9 and more"},
	{"\xff\xfe", "\\xff\\xfe"},
};

static void
test_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SCOPED(json_decref_at) json_t *json = text_json(cases[i].text);

		assert_string_equal(json_string_value(json), cases[i].json);
	}
}

static void
test_problem(void **state)
{
	struct err e;
	SCOPED(json_decref_at) json_t *problem = NULL;

	(void)state;
	(void)err_set(&e, ERR_UNREADABLE, "%s cannot be read", "caf\xe9");
	problem = problem_json(&e);
	assert_string_equal(
		json_string_value(json_object_get(problem, "detail")), "caf\\xe9 cannot be read");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_problem),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
