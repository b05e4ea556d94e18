/* Goal: what containerd answers is read as it is meant, and nothing is read past the end of what
 * is cut off or is no message at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/scope.h"
#include "engine/layers/protobuf.h"

static void
test_texts_go_there_and_back(void **context)
{
	SCOPED(buf_free) struct buf text = BUF_INIT(4096);
	char longer[301];
	struct protobuf m;
	struct protobuf_field field;

	(void)context;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(protobuf_text(&text, 1, "overlayfs"), 0);
	assert_int_equal(protobuf_text(&text, 200, longer), 0);
	m = (struct protobuf){(const unsigned char *)text.data, text.len};
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_int_equal(field.number, 1);
	assert_true(field.is_bytes);
	{
		SCOPED(free_at) char *value = protobuf_string(&field.bytes);

		assert_string_equal(value, "overlayfs");
	}
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_int_equal(field.number, 200);
	assert_int_equal(field.bytes.len, 300);
	assert_int_equal(protobuf_next(&m, &field), 0);
}

/* A mount as containerd 1.7 sends one, after a number, 64 and 32 bits that are gone past. */
static void
test_fields_of_all_kinds(void **context)
{
	static const unsigned char bytes[] = "\x18\x96\x01"
					     "\x11"
					     "12345678"
					     "\x1d"
					     "1234"
					     "\x0a\x07overlay";
	struct protobuf m = {bytes, sizeof(bytes) - 1};
	struct protobuf_field field;

	(void)context;
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_int_equal(field.number, 3);
	assert_false(field.is_bytes);
	assert_int_equal(field.value, 150);
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_false(field.is_bytes);
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_false(field.is_bytes);
	assert_int_equal(protobuf_next(&m, &field), 1);
	assert_int_equal(field.bytes.len, 7);
	assert_int_equal(protobuf_next(&m, &field), 0);
}

static void
test_what_is_cut_off_is_none(void **context)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {{"\x0a", 1},
		{"\x0a\x05"
		 "1234",
			6},
		{"\x80", 1}, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12},
		{"\x11\x01", 2}, {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10}, {"\x0b", 1}};

	(void)context;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned char *copy = malloc(bad[i].len); /* so that the sanitizer sees its end */
		struct protobuf m = {copy, bad[i].len};
		struct protobuf_field field;

		memcpy(copy, bad[i].bytes, bad[i].len);
		assert_int_equal(protobuf_next(&m, &field), -1);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_go_there_and_back),
		cmocka_unit_test(test_fields_of_all_kinds),
		cmocka_unit_test(test_what_is_cut_off_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
