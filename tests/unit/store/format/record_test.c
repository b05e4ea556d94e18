/* Goal: headers, recipes and maps keep what they are given, and refuse what they never made. */
#include "tests/unit/store/sample.h"

#include "store/catalogue/pins.h"
#include "store/format/crc.h"
#include "store/format/record.h"
#include "store/keys/keymap.h"

static void
test_crc_is_castagnolis(void **context)
{
	static const unsigned char zeros[32];

	(void)context;
	assert_int_equal(crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c(zeros, 32), 0x8A9136AA); /* RFC 3720 appendix B.4 */
	assert_int_equal(crc32c("", 0), 0);
}

static void
test_record_round_trip(void **context)
{
	struct record r = {.type = RECORD_CHUNK,
		.ordinal = 3,
		.number = 0x1122334455667788,
		.plain_len = CHUNK_MAX,
		.stored_len = 99};
	struct record back;
	unsigned char bytes[RECORD_SIZE];
	struct err e;

	(void)context;
	random_bytes(r.id, sizeof(r.id));
	random_bytes(r.pack, sizeof(r.pack));
	record_encode(&r, bytes);
	must(record_decode(bytes, &back, &e));
	assert_memory_equal(r.id, back.id, sizeof(r.id));
	assert_memory_equal(r.pack, back.pack, sizeof(r.pack));
	assert_int_equal(back.type, r.type);
	assert_int_equal(back.ordinal, r.ordinal);
	assert_true(back.number == r.number);
	assert_int_equal(back.plain_len, r.plain_len);
	assert_int_equal(back.stored_len, r.stored_len);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		must_fail(record_decode(bytes, &back, &e), ERR_CORRUPT);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void
test_recipe_round_trip(void **context)
{
	static const uint64_t numbers[] = {5, 6, 7, 1, 2, 2, 1000000, UINT64_MAX / 2, 3, 4, 5, 6};
	SCOPED(recipe_free) struct recipe r = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe back = RECIPE_INIT;
	struct err e;
	size_t len = 0;

	(void)context;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		recipe_add(&r, numbers[i]);
	assert_int_equal(r.count, 6);
	assert_int_equal(recipe_chunks(&r), 12);
	SCOPED(free_at) void *bytes = recipe_encode(&r, &len);
	must(recipe_decode(bytes, len, &back, &e));
	assert_int_equal(back.count, r.count);
	assert_memory_equal(back.runs, r.runs, r.count * sizeof(*r.runs));
	recipe_add_all(&back, &back);
	assert_int_equal(recipe_chunks(&back), 24);
}

static void
test_recipe_refuses(void **context)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\x02", 1},	     /* no count */
		{"\x02\x00", 2},     /* a count of 0 */
		{"\x02\x81\x00", 3}, /* not the shortest form */
		{"\x01\x01", 2},     /* before 0 */
		{"\x02\x80", 2},     /* within a number */
		{"\x02\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* 70 bits */
		{"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},	  /* 65 bits */
		{"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},	  /* past the end */
		/* in all more chunks than 64 bits count: found by fuzzing */
		{"\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
		 "\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
		 "\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
			48},
	};
	struct recipe r = RECIPE_INIT;
	struct err e;

	(void)context;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		must_fail(recipe_decode(bad[i].bytes, bad[i].len, &r, &e), ERR_CORRUPT);
	must(recipe_decode("", 0, &r, &e));
	assert_int_equal(r.count, 0);
	recipe_free(&r);
}

static void
test_keymap_finds_the_newest(void **context)
{
	enum { COUNT = 5000 };
	SCOPED(free_at) unsigned char(*keys)[KEYMAP_KEY] = mem_new((size_t)COUNT * KEYMAP_KEY);
	SCOPED(keymap_free) struct keymap m = {0};

	(void)context;
	random_bytes(keys, (size_t)(COUNT - 1) * KEYMAP_KEY);
	memcpy(keys[COUNT - 1], keys[0], KEYMAP_KEY);
	assert_true(keymap_find(&m, keys[0], keys, KEYMAP_KEY) == KEYMAP_NONE);
	for (size_t i = 0; i < COUNT; i++)
		keymap_add(&m, i, keys, KEYMAP_KEY);
	for (size_t i = 1; i < COUNT; i++)
		assert_int_equal(keymap_find(&m, keys[i], keys, KEYMAP_KEY), i);
	assert_int_equal(keymap_find(&m, keys[0], keys, KEYMAP_KEY), COUNT - 1);
	keymap_clear(&m);
	assert_true(keymap_find(&m, keys[1], keys, KEYMAP_KEY) == KEYMAP_NONE);
}

static void
test_pins(void **context)
{
	SCOPED(pins_free) struct pins p = {0};

	(void)context;
	pins_add(&p, 32760, 20);
	pins_add(&p, 9000000, 1);
	assert_false(pins_has(&p, 32759));
	assert_true(pins_has(&p, 32760));
	assert_true(pins_has(&p, 32779));
	assert_false(pins_has(&p, 32780));
	assert_true(pins_has(&p, 9000000));
	assert_false(pins_has(&p, UINT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_is_castagnolis),
		cmocka_unit_test(test_record_round_trip),
		cmocka_unit_test(test_recipe_round_trip),
		cmocka_unit_test(test_recipe_refuses),
		cmocka_unit_test(test_keymap_finds_the_newest),
		cmocka_unit_test(test_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
