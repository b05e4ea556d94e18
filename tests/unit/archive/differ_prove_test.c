/* Goal: what the archive's owner proves to be equal is not read, all the rest is compared byte by
 * byte, and no byte of a file escapes both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/restore/member_index.h"
#include "archive/restore/tree_diff.h"
#include "archive/tar/reader.h"

/* A file that is proved in two pieces, in chunks of an odd length. */
enum { SIZE = 70 << 20, CHUNK = 1000003 };

struct owner {
	int tar;
	int64_t read, left_out; /* bytes */
};

static void
run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static ssize_t
owner_read(void *ctx, void *data, size_t size, struct err *e)
{
	struct owner *o = ctx;
	const ssize_t got = read(o->tar, data, size);

	(void)e;
	o->read += got;
	return got;
}

static int
owner_skip(void *ctx, int64_t len, struct err *e)
{
	struct owner *o = ctx;

	o->left_out += len;
	return lseek(o->tar, len, SEEK_CUR) < 0 ? err_errno(e, "tar") : 0;
}

/* As the store does it, but with the bytes themselves. */
static int
owner_direct(void *ctx, const struct reader_file *f, int64_t at, int64_t len, int64_t fd_offset,
	int64_t *ret_from, int64_t *ret_len, struct err *e)
{
	static char here[CHUNK], there[CHUNK];
	const struct owner *o = ctx;
	int64_t next = (at + CHUNK - 1) / CHUNK * CHUNK;

	(void)e;
	assert_int_equal(f->use, READER_COMPARE);
	*ret_from = next - at;
	for (*ret_len = 0; next + CHUNK <= at + len; next += CHUNK, *ret_len += CHUNK)
		if (pread(o->tar, here, CHUNK, next) != CHUNK ||
			pread(f->fd, there, CHUNK, fd_offset + next - at) != CHUNK ||
			memcmp(here, there, CHUNK) != 0)
			return 0;
	return 1;
}

/* Compare the folder v with the archive; whether the file in it is equal. */
static bool
compare(struct owner *o)
{
	const struct tree_diff_options options = {
		.tree = {.root_fd = open("v", O_PATH | O_DIRECTORY | O_CLOEXEC), .prefix = "v"}};
	struct tree_diff *d = NULL;
	struct reader *r = NULL;
	const struct member *m;
	struct err e;
	bool equal;
	int more;

	o->tar = open("tar", O_RDONLY | O_CLOEXEC);
	assert_int_equal(reader_open((struct source){.read = owner_read, .ctx = o}, &r, &e), 0);
	reader_skip_by(r, owner_skip);
	reader_direct_by(r, owner_direct);
	assert_int_equal(tree_diff_open(&options, &d, &e), 0);
	while ((more = reader_next(r, &m, &e)) > 0)
		if (tree_diff_member(d, m, r, &e) != 0)
			fail_msg("%s", e.text);
	assert_int_equal(more, 0);
	const uint32_t number = member_index_find(tree_diff_ledger(d), "file", 4);
	equal = (tree_diff_ledger(d)->entries[number].flags & MEMBER_INDEX_EQUAL) != 0;
	assert_int_not_equal(member_index_find(tree_diff_ledger(d), "last", 4), MEMBER_INDEX_NONE);
	reader_close(r);
	tree_diff_close(d);
	(void)close(options.tree.root_fd);
	(void)close(o->tar);
	return equal;
}

static void
flip(off_t at)
{
	const int fd = open("v/file", O_RDWR | O_CLOEXEC);
	struct stat st;
	char byte;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(futimens(fd, times), 0); /* the same size, the same time */
	(void)close(fd);
}

static void
test_no_byte_escapes(void **state)
{
	char top[] = "/var/tmp/fb-prove-XXXXXX";
	const off_t places[] = {0, 1, CHUNK - 1537, CHUNK - 1536, CHUNK, CHUNK + 1, 64 << 20,
		(64 << 20) - 1, 66 * CHUNK, SIZE / 2, 69 * CHUNK, SIZE - CHUNK, SIZE - 1};
	struct owner o = {0};

	(void)state;
	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	run("mkdir v; head -c 73400320 /dev/urandom >v/file; echo x >v/last; "
	    "tar --format=posix -cf tar v");
	assert_true(compare(&o));
	assert_true(o.left_out > SIZE - 3 * CHUNK);
	assert_true(o.read < 3 * CHUNK);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		flip(places[i]);
		if (compare(&o))
			fail_msg("the byte %lld escapes", (long long)places[i]);
		flip(places[i]);
	}
	assert_true(compare(&o));
	assert_int_equal(chdir("/"), 0);
	char command[64];
	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	run(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_byte_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
