/* Goal: every time that a file can have is read back from the archive as it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "archive/tar/reader.h"
#include "base/scope.h"

enum { RANDOM_TIMES = 2000 };

struct text {
	const struct buf *bytes;
	size_t at;
};

static ssize_t
give(void *ctx, void *data, size_t size, struct err *e)
{
	struct text *t = ctx;
	const size_t left = t->bytes->len - t->at, len = size < left ? size : left;

	(void)e;
	memcpy(data, t->bytes->data + t->at, len);
	t->at += len;
	return (ssize_t)len;
}

static void
check(int64_t seconds, long ns)
{
	static const char end[MEMBER_END_SIZE];
	const struct timespec time = {.tv_sec = seconds, .tv_nsec = ns};
	const struct member m = {
		.path = "volumes/v/f", .type = MEMBER_FILE, .mtime_ns = member_time_of(&time)};
	SCOPED(buf_free) struct buf bytes = BUF_INIT(1 << 20);
	SCOPED(reader_close_at) struct reader *reader = NULL;
	struct text text = {.bytes = &bytes};
	const struct member *back = NULL;
	struct err e = {0};

	assert_int_equal(member_write_header(&m, &bytes, &e), 0);
	assert_int_equal(buf_add(&bytes, end, sizeof(end)), 0);
	assert_int_equal(reader_open((struct source){.read = give, .ctx = &text}, &reader, &e), 0);
	if (reader_next(reader, &back, &e) != 1)
		fail_msg("%lld.%09ld: %s", (long long)seconds, ns, e.text);
	assert_true(back->mtime_ns == m.mtime_ns);
}

/* The last second of 32, 33, 34 bits, of nanoseconds in 64, of Go's and pandas' "never", of all. */
static void
test_edges(void **state)
{
	static const int64_t edges[] = {0, 1, -1, 2147483647, 4294967295, 8589934591, 8589934592,
		15032385535, -2147483648, 9223372036, 9223372037, -9223372037, 253402300800,
		999999999999999999, 1000000000000000000, INT64_MAX, INT64_MIN + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		check(edges[i], 0);
		check(edges[i], 1);
		check(edges[i], 999999999);
	}
}

static void
test_random(void **state)
{
	(void)state;
	srandom(17);
	for (int i = 0; i < RANDOM_TIMES; i++) {
		const uint64_t bits =
			(uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ (uint64_t)random();

		check((int64_t)(bits >> (random() % 63)) * (random() % 2 == 0 ? 1 : -1),
			random() % 1000000000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
