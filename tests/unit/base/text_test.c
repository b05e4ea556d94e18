/* Goal: whatever a file is called, its name can be told in JSON, and to a terminal. */
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

static const struct {
	const char *text;
	unsigned is;
	size_t len;
} harms[] = {
	{"a", 0, 1}, {"\x1b[2J", 0x1B, 1}, {"\t", 9, 1}, {"\x7f", 0x7F, 1}, {"\xc2\x80", 0x80, 2},
	{"\xc2\x9b\x31m", 0x9B, 2}, /* as ESC [ */
	{"\xc2\x9f", 0x9F, 2}, {"\xc2\xa0", 0, 2},
	{"\x9b", 0x9B, 1}, /* for a terminal of one byte a character */
	{"\xff", 0xFF, 1}, {"caf\xc3\xa9", 0, 1}, {"\xc3\xa9", 0, 2}, {"\xc3", 0xC3, 1}, /* cut */
	{"\xc0\x9b", 0xC0, 1},					    /* overlong */
	{"\xe0\x82\x9b", 0xE0, 1}, {"\xed\xa0\x80", 0xED, 1},	    /* a surrogate */
	{"\xf4\x90\x80\x80", 0xF4, 1}, {"\xe2\x80\xae", 0x202E, 3}, /* right to left */
	{"\xe2\x80\xa8", 0x2028, 3}, {"\xe2\x81\xa6", 0x2066, 3}, {"\xe2\x80\x8b", 0x200B, 3},
	{"\xe2\x80\x8d", 0, 3}, /* joins emoji */
	{"\xef\xbb\xbf", 0xFEFF, 3}, {"\xf0\x9f\x98\x80", 0, 4},
	{"\xf3\xa0\x81\x81", 0xE0041, 4}, /* a tag */
};

static void
test_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		size_t len;

		assert_int_equal(text_harm(harms[i].text, &len), harms[i].is);
		assert_int_equal(len, harms[i].len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_problem),
		cmocka_unit_test(test_harm),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
