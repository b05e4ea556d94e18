/* Goal: cuts depend on the bytes alone, keep their bounds, and find back after an insertion. */
#include "tests/unit/store/sample.h"

#include "store/packs/cutter.h"

enum { LEN = 16 << 20, CUTS_MAX = 2048 };

/* The positions of all cuts, the bytes handed over in pieces of at most ${piece}. */
static size_t
cuts_of(enum cut cut, const unsigned char *data, size_t len, size_t piece, size_t *cuts)
{
	struct cutter c;
	size_t count = 0;
	size_t at = 0;

	cutter_start(&c, cut);
	while (at < len) {
		bool ends = false;
		const size_t n = len - at < piece ? len - at : piece;
		const size_t used = cutter_scan(&c, data + at, n, &ends);
		assert_true(used > 0 && used <= n);
		assert_true(ends || used == n);
		at += used;
		if (ends) {
			assert_true(count < CUTS_MAX);
			cuts[count++] = at;
		}
	}
	return count;
}

static void
test_pieces_do_not_matter(void **context)
{
	static const size_t pieces[] = {LEN, 1, 63, 64, 65, 4096, 65535, 65536, 1000003};
	SCOPED(free_at) unsigned char *data = bytes_noise(LEN, 1);
	size_t expected[CUTS_MAX], found[CUTS_MAX];

	(void)context;
	const size_t count = cuts_of(CUT_CONTENT, data, LEN, LEN, expected);
	for (size_t i = 1; i < sizeof(pieces) / sizeof(*pieces); i++) {
		assert_int_equal(cuts_of(CUT_CONTENT, data, LEN, pieces[i], found), count);
		assert_memory_equal(found, expected, count * sizeof(*found));
	}
}

static void
test_bounds_and_average(void **context)
{
	SCOPED(free_at) unsigned char *data = bytes_noise(LEN, 2);
	size_t cuts[CUTS_MAX];
	size_t last = 0;

	(void)context;
	size_t count = cuts_of(CUT_CONTENT, data, LEN, LEN, cuts);
	for (size_t i = 0; i < count; i++) {
		assert_in_range(cuts[i] - last, CUT_MIN, CUT_MAX);
		last = cuts[i];
	}
	assert_true(LEN - last <= CUT_MAX);
	/* 64 at the average; half and double are far outside the spread of so many */
	assert_in_range(count, 32, 128);
	count = cuts_of(CUT_FINE, data, LEN, LEN, cuts);
	for (size_t i = 1; i < count; i++)
		assert_in_range(cuts[i] - cuts[i - 1], CUT_FINE_MIN, CUT_FINE_MAX);
	assert_in_range(count, 256, 1024);
}

static void
test_no_boundary_cuts_at_the_maximum(void **context)
{
	SCOPED(free_at) unsigned char *data = mem_new(3 << 20);
	size_t cuts[CUTS_MAX];

	(void)context;
	assert_int_equal(cuts_of(CUT_CONTENT, data, 3 << 20, 777, cuts), 3);
	assert_int_equal(cuts[0], CUT_MAX);
	assert_int_equal(cuts[2], 3 * CUT_MAX);
}

static void
test_cuts_find_back(void **context)
{
	SCOPED(free_at) unsigned char *data = bytes_noise(LEN + 5, 3);
	size_t before[CUTS_MAX], behind[CUTS_MAX];
	size_t same = 0;

	(void)context;
	const size_t count = cuts_of(CUT_CONTENT, data, LEN + 5, LEN, before);
	const size_t shifted = cuts_of(CUT_CONTENT, data + 5, LEN, LEN, behind);
	for (size_t i = 0, j = 0; i < count && j < shifted;) {
		const size_t there = behind[j] + 5;
		same += before[i] == there;
		if (before[i] <= there)
			i++;
		else
			j++;
	}
	assert_true(same * 10 >= count * 9);
}

static void
test_pages(void **context)
{
	SCOPED(free_at) unsigned char *data = bytes_noise(1 << 20, 4);
	size_t cuts[CUTS_MAX];

	(void)context;
	assert_int_equal(cuts_of(CUT_PAGES_16, data, (1 << 20) - 1, 1000, cuts), 63);
	for (size_t i = 0; i < 63; i++)
		assert_int_equal(cuts[i], (i + 1) << 14);
	assert_int_equal(cuts_of(CUT_PAGES_64, data, 1 << 20, 1 << 20, cuts), 16);
	assert_int_equal(cuts_of(CUT_WHOLE, data, 1 << 20, 1 << 20, cuts), 1);
}

/* These are the format: other values would store everything again.  splitmix64, computed apart. */
static void
test_the_format_stays(void **context)
{
	static const uint64_t gear[] = {0x03E22ACDC170BB5C, 0x1724854BF308AFF0};
	SCOPED(free_at) unsigned char *data = bytes_noise(2 << 20, 5);
	size_t cuts[CUTS_MAX];

	(void)context;
	assert_true(cutter_gear(0) == gear[0]);
	assert_true(cutter_gear(255) == gear[1]);
	assert_int_equal(cuts_of(CUT_CONTENT, data, 2 << 20, 2 << 20, cuts), 7);
	assert_int_equal(cuts[0], 282129);
	assert_int_equal(cuts[1], 565679);
	assert_int_equal(cuts[2], 1058340);
	assert_int_equal(cuts[3], 1385485);
	assert_int_equal(cuts[4], 1604550);
	assert_int_equal(cuts[5], 1765600);
	assert_int_equal(cuts[6], 2081736);
	assert_int_equal(cuts_of(CUT_FINE, data, 2 << 20, 2 << 20, cuts), 57);
	assert_int_equal(cuts[0], 37185);
	assert_int_equal(cuts[1], 71494);
	assert_int_equal(cuts[2], 107483);
	assert_int_equal(cuts[56], 2091891);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_do_not_matter),
		cmocka_unit_test(test_bounds_and_average),
		cmocka_unit_test(test_no_boundary_cuts_at_the_maximum),
		cmocka_unit_test(test_cuts_find_back),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_the_format_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
