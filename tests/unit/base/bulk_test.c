/* Goal: bulk_write is pwrite, all of it, whatever the kernel and the file system can. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bulk.h"

enum { SIZE = 3 << 20 };

static void
fill(unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (unsigned char)(i * 131 + i / 251);
}

/* Pieces that share pages with their neighbours, in no order. */
static void
check_pieces(int fd)
{
	static const size_t ends[] = {0, 1, 4095, 70000, 1 << 20, (2 << 20) + 17, SIZE};
	static const size_t order[] = {3, 0, 5, 1, 4, 2};
	unsigned char *data = malloc(SIZE), *back = malloc(SIZE);

	assert_true(data != NULL && back != NULL);
	fill(data, SIZE);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const size_t from = ends[order[i]], to = ends[order[i] + 1];

		assert_int_equal(bulk_write(fd, data + from, to - from, (int64_t)from), 0);
	}
	assert_int_equal(lseek(fd, 0, SEEK_END), SIZE);
	assert_int_equal(pread(fd, back, SIZE, 0), SIZE);
	assert_memory_equal(data, back, SIZE);
	free(data);
	free(back);
}

static void
test_pieces(void **state)
{
	const int on_disk = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	const int in_memory = memfd_create("bulk", MFD_CLOEXEC);

	(void)state;
	assert_true(in_memory >= 0);
	check_pieces(in_memory);
	if (on_disk >= 0)
		check_pieces(on_disk);
	(void)close(on_disk);
	(void)close(in_memory);
}

static void
test_errors(void **state)
{
	const struct rlimit none = {1000, RLIM_INFINITY};
	struct rlimit before;
	const int fd = memfd_create("bulk", MFD_CLOEXEC);
	char data[2000] = "";

	(void)state;
	assert_int_equal(bulk_write(-1, data, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(bulk_write(-1, data, 0, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	const int status = bulk_write(fd, data, sizeof(data), 0);
	const int number = errno;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(status, -1);
	assert_int_equal(number, EFBIG);
	assert_int_equal(lseek(fd, 0, SEEK_END), 1000); /* a short write, then the error */
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
