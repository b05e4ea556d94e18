/* Goal: a tree of any depth is removed, however often that was cut off before. */
#include "tests/unit/steps.h"
#include "tests/unit/trees.h"

#include "archive/disk/remove_tree.h"

/* Folders are lifted up twice; at each level is one more. */
enum { DEPTH = 2 * REMOVE_TREE_DEPTH + 10 };

static int top_fd;

static void
make_deep(void)
{
	int fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);

	for (int i = 0; i < DEPTH; i++) {
		const char *name = i == 0 ? "tree" : "down";

		assert_int_equal(mkdirat(fd, name, 0700), 0);
		const int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(mkdirat(next, "beside", 0700), 0);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
}

enum { GONE = 1, NOT_GONE };

static int
discard(void *ctx)
{
	struct err e;

	(void)ctx;
	return remove_tree(top_fd, "tree", &e) == 0 ? GONE : NOT_GONE;
}

static void
test_cut_off(void **state)
{
	char top[] = "/dev/shm/fb-discard-XXXXXX";
	struct err e;
	int at = 1;

	(void)state;
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (bool over = false; !over; at += 3) {
		make_deep();
		over = steps_run(STEPS_CUT, at, discard, NULL) == STEPS_OVER;
		(void)steps_run(STEPS_CUT, at, discard, NULL); /* and once more, there */
		if (remove_tree(top_fd, "tree", &e) != 0)
			fail_msg("cut off at step %d: %s", at, e.text);
		assert_int_not_equal(faccessat(top_fd, "tree", F_OK, 0), 0);
	}
	assert_true(at > 2 * DEPTH);
	(void)close(top_fd);
	tree_remove(top);
}

/* What cannot be removed is said, and the rest is for another try. */
static void
test_call_fails(void **state)
{
	char top[] = "/dev/shm/fb-discard-XXXXXX";
	int at = 1;

	(void)state;
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int got = GONE; got != STEPS_OVER; at += 13) {
		make_deep();
		got = steps_run(STEPS_FAIL, at, discard, NULL);
		assert_int_equal(got == NOT_GONE, faccessat(top_fd, "tree", F_OK, 0) == 0);
		assert_int_equal(discard(NULL), GONE);
	}
	(void)close(top_fd);
	tree_remove(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
