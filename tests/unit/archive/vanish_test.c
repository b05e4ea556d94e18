/* Goal: what goes away while a tree is walked is no error: folders, too, between their opening and
 * their listing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/write/segments.h"
#include "base/mem.h"
#include "base/scope.h"

enum { FOLDERS = 9, MAKERS = 3, WALKS = 3000 };

static int top_fd;
static atomic_bool stop;
static atomic_int unreadable;

/* Folders come and go. */
static void *
make_and_remove(void *ctx)
{
	char name[32];

	while (!atomic_load(&stop)) {
		for (int i = 0; i < FOLDERS; i++) {
			(void)snprintf(name, sizeof(name), "%s%d", (const char *)ctx, i);
			(void)mkdirat(top_fd, name, 0700);
		}
		for (int i = 0; i < FOLDERS; i++) {
			(void)snprintf(name, sizeof(name), "%s%d", (const char *)ctx, i);
			(void)unlinkat(top_fd, name, AT_REMOVEDIR);
		}
	}
	return NULL;
}

static int
begin(void *ctx, const struct segment *s, struct err *e)
{
	(void)ctx;
	(void)s;
	(void)e;
	return 0;
}

static int
data(void *ctx, const void *bytes, size_t len, struct err *e)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	(void)e;
	return 0;
}

static int
end(void *ctx, const struct segment *s, bool stable, struct err *e)
{
	(void)stable;
	return begin(ctx, s, e);
}

static int
notice(void *ctx, enum segment_notice n, const char *path, struct err *e)
{
	(void)ctx;
	if (n == SEGMENT_UNREADABLE) {
		unreadable++;
		print_message("%s: %s\n", path, e->text);
	}
	return 0;
}

static void
test_folders_that_vanish(void **state)
{
	static char marks[MAKERS][2] = {"a", "b", "c"};
	char folder[] = "/tmp/fb-vanish-XXXXXX";
	const struct segment_sink sink = {
		.begin = begin, .data = data, .end = end, .notice = notice};
	pthread_t makers[MAKERS];
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(folder));
	top_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct crew *crew = crew_new(); /* for who looks into folders ahead */
	const struct tree t = {.root_fd = top_fd, .prefix = "volumes/v", .crew = crew};
	for (int i = 0; i < MAKERS; i++)
		assert_int_equal(pthread_create(&makers[i], NULL, make_and_remove, marks[i]), 0);
	for (int i = 0; i < WALKS && unreadable == 0; i++)
		assert_int_equal(segments_walk(&t, &sink, &e), 0);
	stop = true;
	for (int i = 0; i < MAKERS; i++)
		(void)pthread_join(makers[i], NULL);
	crew_free(crew);
	(void)close(top_fd);
	SCOPED(free_at) char *command = mem_format("rm -rf %s", folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(unreadable, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_folders_that_vanish)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
