/*
 * Goal: what the frozen pass put is what comes out, from memory and from the file behind it; and
 * the file shows nothing of it beside an encrypted store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "jobs/backup/spool.h"

/* Whether an unlinked file that this process has open has a run of one byte. */
static bool
file_shows_runs(void)
{
	for (int fd = 3; fd < 64; fd++) {
		char bytes[64];
		struct stat st;

		if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 0)
			continue;
		for (off_t at = 0; at + 64 <= st.st_size; at += 4096) {
			assert_int_equal(pread(fd, bytes, sizeof(bytes), at), sizeof(bytes));
			if (memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0)
				return true;
		}
	}
	return false;
}

static void
check(size_t pieces, size_t len, bool hidden)
{
	const int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct spool_room room = {SPOOL_MEMORY_MAX, hidden};
	struct spool *s = spool_new(dir, &room);
	unsigned char *data = mem_new(len);
	struct spool_record r;
	struct err e;
	size_t got = 0;

	for (size_t i = 0; i < pieces; i++) {
		memset(data, (int)i, len);
		assert_int_equal(spool_put(s, SPOOL_BEGIN, (uint32_t)i, NULL, 0, &e), 0);
		assert_int_equal(spool_put(s, SPOOL_DATA, 7, data, len, &e), 0);
	}
	assert_int_equal(file_shows_runs(), pieces * len > SPOOL_MEMORY_MAX && !hidden);
	for (size_t i = 0; i < pieces; i++) {
		assert_int_equal(spool_next(s, &r, &e), 1);
		assert_int_equal(r.type, SPOOL_BEGIN);
		assert_int_equal(r.tag, i);
		memset(data, (int)i, len);
		for (got = 0; got < len; got += r.len) {
			assert_int_equal(spool_next(s, &r, &e), 1);
			assert_int_equal(r.type, SPOOL_DATA);
			assert_true(r.len > 0 && r.len <= len - got);
			assert_memory_equal(r.data, data + got, r.len);
		}
	}
	assert_int_equal(spool_next(s, &r, &e), 0);
	spool_free_at(&s);
	free(data);
	(void)close(dir);
}

static void
test_memory(void **state)
{
	(void)state;
	check(20, 1000, false);
	check(20, 1000, true);
}

static void
test_file(void **state)
{
	(void)state;
	for (int hidden = 0; hidden < 2; hidden++) {
		check(30, SPOOL_MEMORY_MAX / 10, hidden);
		check(2, 3 * SPOOL_RECORD_MAX + 1, hidden);
		check(5, 3 * SPOOL_RECORD_MAX + 1, hidden);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
