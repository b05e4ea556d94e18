/* Goal: a walk with helpers, that looks into directories before it comes to them, finds the same
 * segments as a walk without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/write/dir_prefetch.h"
#include "archive/write/segments.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/scope.h"

enum { FOUND_MAX = 1 << 20, HELPERS = 3 };

/* Each level with more folders than a batch; folders that are empty, too large to be looked
 * through, or excluded; links, and a chain deeper than there are scouts for. */
static const char make[] =
	"for i in $(seq 40); do mkdir -p $i/a/b $i/left-out/x $i/none; echo $i >$i/a/f; "
	"echo b >$i/a/b/f; ln $i/a/f $i/a/b/g; ln -s ../f $i/a/b/l; echo x >$i/left-out/f; done; "
	"for i in $(seq 400); do echo $i >7/a/$i; mkdir 8/$i; done; "
	"p=deep; for i in $(seq 90); do p=$p/d; mkdir -p $p/1 $p/2; echo $i >$p/2/f; done";

static int
begin(void *ctx, const struct segment *s, struct err *e)
{
	(void)e;
	assert_int_equal(buf_add(ctx, s->key, sizeof(s->key)), 0);
	assert_int_equal(buf_text(ctx, s->path == NULL ? "-" : s->path), 0);
	return 1;
}

static int
notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)e;
	return buf_format(ctx, "%d %s", n, path);
}

static void
found_by(const char *folder, struct crew *crew, struct buf *ret_found)
{
	static const char *const excludes[] = {"volumes/v/*/left-out", NULL};
	const struct segment_sink sink = {.begin = begin, .notice = notice, .ctx = ret_found};
	SCOPED(fd_close_at) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct tree t = {
		.root_fd = fd, .prefix = "volumes/v", .excludes = excludes, .crew = crew};
	struct err e;

	assert_int_equal(segments_walk(&t, &sink, &e), 0);
}

static void *
serve(void *crew)
{
	crew_serve(crew);
	return NULL;
}

static void
run(const char *folder, const char *what)
{
	SCOPED(free_at) char *command = mem_format("cd %s && %s", folder, what);

	assert_int_equal(system(command), 0);
}

static void
drop(const char *folder)
{
	SCOPED(free_at) char *command = mem_format("rm -rf %s", folder);

	assert_int_equal(system(command), 0);
}

static void
test_the_same_segments(void **state)
{
	SCOPED(buf_free) struct buf alone = BUF_INIT(FOUND_MAX);
	char folder[] = "/tmp/fb-scouts-XXXXXX";
	struct crew *crew = crew_new();
	pthread_t helpers[HELPERS];

	(void)state;
	assert_non_null(mkdtemp(folder));
	run(folder, make);
	found_by(folder, NULL, &alone);
	for (int helped = 0; helped <= HELPERS; helped++) {
		SCOPED(buf_free) struct buf found = BUF_INIT(FOUND_MAX);

		found_by(folder, crew, &found);
		assert_int_equal(found.len, alone.len);
		assert_memory_equal(found.data, alone.data, alone.len);
		if (helped < HELPERS)
			assert_int_equal(pthread_create(&helpers[helped], NULL, serve, crew), 0);
	}
	crew_dismiss(crew);
	for (int i = 0; i < HELPERS; i++)
		(void)pthread_join(helpers[i], NULL);
	crew_free(crew);
	drop(folder);
}

static void
test_what_is_too_large_is_left_to_the_walk(void **state)
{
	static const char *const names[] = {"7", "8", "9", "no"};
	char folder[] = "/tmp/fb-scouts-XXXXXX";
	struct scout s = {.fd = -1};

	(void)state;
	assert_non_null(mkdtemp(folder));
	run(folder, "mkdir 7 8 9 && touch 7/f 7/g && cd 8 && touch $(seq 200)");
	SCOPED(fd_close_at) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dir_prefetch *scouts = dir_prefetch_send(NULL, fd, names, 4);
	assert_true(dir_prefetch_take(scouts, names[0], &s));
	assert_false(dir_prefetch_take(scouts, names[0], &s));
	assert_true(s.fd >= 0 && s.listed && s.names.count == 2 && s.looks != NULL);
	assert_int_equal(s.looks[1].error, 0);
	scout_free(&s);
	assert_true(dir_prefetch_take(scouts, names[1], &s));
	assert_true(s.listed && s.names.count == 200 && s.looks == NULL);
	scout_free(&s);
	assert_true(dir_prefetch_take(scouts, names[3], &s));
	assert_true(s.fd < 0 && s.error == ENOENT);
	dir_prefetch_free(scouts); /* with the one that nobody took */
	drop(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_same_segments),
		cmocka_unit_test(test_what_is_too_large_is_left_to_the_walk)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
