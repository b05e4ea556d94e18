/* Goal: whatever step a swap of entries, its undoing or its finishing is killed at or fails at,
 * the old tree can be put back, or the new one finished, to the last attribute and inode. */
#include "tests/unit/archive/patch_fixture.h"

enum { STEPS_MAX = 5000, PAIRS = 40 };

/* ---- the tests: work folder inside and beside ---- */

static void
test_killed_while_it_opens(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		struct fixture f;
		struct job open_it = {.f = &f};
		int at = 1;

		begin(&f, inside);
		for (; steps_run(STEPS_CUT, at, work_on, &open_it) == STEPS_KILLED; at++)
			check_undone(&f, "opening", at);
		assert_true(at > 5);
		check_undone(&f, "opened", at);
		end(&f);
	}
}

static void
test_killed_while_it_swaps(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		struct fixture f;
		struct job swapping = {.f = &f, .first = swap};
		int at = 1, got;

		begin(&f, inside);
		for (;; at++) {
			stage(&f);
			got = steps_run(STEPS_CUT, at, work_on, &swapping);
			if (got != STEPS_KILLED)
				break;
			check_undone(&f, "swapping", at);
		}
		assert_int_equal(got, OVER);
		assert_true(at > 50);
		check_finished(&f, "swapped", at);
		end(&f);
	}
}

/* Unless it says so, no old entry is back. */
static void
check_told(const struct fixture *f, int at)
{
	SCOPED(patch_close_at) struct tree_swap *p = NULL;
	SCOPED(free_at) char *told = mem_format("not undoing at step %d", at);

	if (!tree_swap_there(f->beside_fd >= 0 ? f->beside_fd : f->root_fd, id))
		return;
	assert_int_equal(open_patch(f, &p), 0);
	if (!tree_swap_begun(p) || tree_swap_undoing(p))
		return;
	SCOPED(free_at) char *is = tree_list(f->root, false);
	tree_same(f->wanted, is, told);
}

/* Who used the new tree has made again what had been deleted. */
static void
test_made_again(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		struct fixture f;

		begin(&f, inside);
		stage(&f);
		resume(&f, swap);
		for (size_t i = 0; i < NOTES; i++) {
			SCOPED(free_at) char *path = mem_format("%s/%s", f.root, notes[i].path);

			if (notes[i].what == TREE_SWAP_DELETE)
				assert_int_equal(mkdir(path, 0755), 0);
		}
		resume(&f, tree_swap_undo);
		check_old(&f, "undone", 0);
		end(&f);
	}
}

/* Who used the new tree has removed what was new; and the undo is killed at each of its steps. */
static void
test_removed_and_killed(void **state)
{
	struct fixture f;
	struct job undoing = {.f = &f, .first = tree_swap_undo};
	int at = 1, got;

	(void)state;
	begin(&f, true);
	for (;; at++) {
		stage(&f);
		resume(&f, swap);
		for (size_t i = 0; i < NOTES; i++) {
			SCOPED(free_at) char *path = mem_format("%s/%s", f.root, notes[i].path);

			if (notes[i].what == TREE_SWAP_ENTRY)
				tree_remove(path);
		}
		got = steps_run(STEPS_CUT, at, work_on, &undoing);
		if (got != STEPS_KILLED)
			break;
		check_undone(&f, "what was removed", at);
	}
	assert_int_equal(got, OVER);
	check_old(&f, "what was removed", at);
	end(&f);
}

static void
test_killed_while_it_undoes(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		struct fixture f;
		struct job undoing = {.f = &f, .first = tree_swap_undo};
		int at = 1, got;

		begin(&f, inside);
		for (;; at++) {
			stage(&f);
			resume(&f, swap);
			got = steps_run(STEPS_CUT, at, work_on, &undoing);
			if (got != STEPS_KILLED)
				break;
			check_told(&f, at);
			check_undone(&f, "undoing", at);
		}
		assert_int_equal(got, OVER);
		assert_true(at > 50);
		check_old(&f, "undone", at);
		end(&f);
	}
}

static void
test_killed_while_it_finishes(void **state)
{
	(void)state;
	for (int inside = 0; inside < 2; inside++) {
		struct fixture f;
		struct job finishing = {.f = &f, .first = tree_swap_finish};
		int at = 1, got;

		begin(&f, inside);
		for (;; at++) {
			stage(&f);
			resume(&f, swap);
			got = steps_run(STEPS_CUT, at, work_on, &finishing);
			if (got != STEPS_KILLED)
				break;
			check_finished(&f, "finishing", at);
		}
		assert_int_equal(got, OVER);
		assert_true(at > 20);
		check_finished(&f, "finished", at);
		end(&f);
	}
}

/* Killed while it swaps, and several times while that is undone. */
static void
test_killed_again_and_again(void **state)
{
	struct fixture f;
	struct job swapping = {.f = &f, .first = swap},
		   undoing = {.f = &f, .first = tree_swap_undo};
	unsigned seed = 20261124;

	(void)state;
	print_message("seed %u\n", seed);
	begin(&f, true);
	for (int i = 0; i < PAIRS; i++) {
		stage(&f);
		(void)steps_run(STEPS_KILL, 1 + rand_r(&seed) % 150, work_on, &swapping);
		for (int times = rand_r(&seed) % 4; times >= 0; times--)
			(void)steps_run(STEPS_KILL, 1 + rand_r(&seed) % 100, work_on, &undoing);
		check_undone(&f, "both", i);
		f.lost = 0; /* at most one each */
	}
	end(&f);
}

/* ---- calls that fail ---- */

static void
test_a_call_fails_while_it_swaps(void **state)
{
	struct fixture f;
	struct job swapping = {.f = &f, .first = swap, .else_do = tree_swap_undo};
	int got = FAILED;

	(void)state;
	begin(&f, true);
	for (int at = 1; got != OVER; at++) {
		assert_true(at < STEPS_MAX);
		stage(&f);
		got = steps_run(STEPS_FAIL, at, work_on, &swapping);
		assert_int_not_equal(got, FAILED_TWICE);
		if (got == DONE_AFTER_ALL)
			check_old(&f, "undone at once", at);
		if (got == DONE || got == OVER)
			check_finished(&f, "swapped in spite of it", at);
		else
			check_undone(&f, "a call of a swap", at);
	}
	end(&f);
}

static int
place_it(void *ctx)
{
	const struct fixture *f = ctx;
	SCOPED(patch_close_at) struct tree_swap *p = NULL;
	struct err e;

	if (open_patch(f, &p) != 0)
		return NOT_OPENED;
	switch (place(f->root, f->tar, p, &e)) {
	case 0:
		return DONE;
	case 1:
		return NOT_WORTH_IT;
	default:
		return FAILED;
	}
}

/* What differs is either found whole, or not at all. */
static void
test_a_call_fails_while_it_looks(void **state)
{
	struct fixture f;
	int got = FAILED, given_up = 0;

	(void)state;
	begin(&f, true);
	for (int at = 1; got != OVER; at++) {
		assert_true(at < STEPS_MAX);
		got = steps_run(STEPS_FAIL, at, place_it, &f);
		given_up += got == NOT_WORTH_IT;
		check_undone(&f, "a call that looks", at);
	}
	assert_true(given_up > 0); /* a file that cannot be read is no reason to fail */
	end(&f);
}

/* What stood there is on the disk before it may be overwritten, and again before it is let go. */
static void
test_synced(void **state)
{
	struct fixture f;
	struct job undoing = {.f = &f, .first = tree_swap_undo};

	(void)state;
	begin(&f, true);
	stage(&f);
	resume(&f, swap);
	steps_only = __NR_fsync;
	assert_int_equal(steps_run(STEPS_FAIL, 1, work_on, &undoing), FAILED);
	steps_only = 0;
	check_undone(&f, "an undo that cannot sync", 1);
	steps_only = __NR_fsync;
	assert_int_equal(steps_run(STEPS_FAIL, 1, place_it, &f), FAILED);
	steps_only = 0;
	check_undone(&f, "what cannot be synced", 1);
	end(&f);
}

/* Who used the new tree has removed the file: there is nothing to be written back to. */
static void
test_in_place_and_removed(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, true);
	stage(&f);
	resume(&f, swap);
	SCOPED(free_at) char *path = mem_format("%s/a/large", f.root);

	assert_int_equal(unlink(path), 0);
	resume(&f, tree_swap_undo);
	assert_int_not_equal(access(path, F_OK), 0);
	end(&f);
}

static void
test_a_call_fails_while_it_undoes(void **state)
{
	struct fixture f;
	struct job undoing = {.f = &f, .first = tree_swap_undo, .else_do = tree_swap_undo};
	int got = FAILED;

	(void)state;
	begin(&f, true);
	for (int at = 1; got != OVER; at++) {
		assert_true(at < STEPS_MAX);
		stage(&f);
		resume(&f, swap);
		got = steps_run(STEPS_FAIL, at, work_on, &undoing);
		assert_int_not_equal(got, FAILED_TWICE);
		if (got != NOT_OPENED)
			allow_for_time(&f, f.old);
		if (got != NOT_OPENED)
			check_old(&f,
				got == OVER || got == DONE ? "undone" : "undone by a second try",
				at);
		check_undone(&f, "a call of an undoing", at);
	}
	end(&f);
}

static void
test_a_call_fails_while_it_finishes(void **state)
{
	struct fixture f;
	struct job finishing = {.f = &f, .first = tree_swap_finish, .else_do = tree_swap_finish};
	int got = FAILED;

	(void)state;
	begin(&f, true);
	for (int at = 1; got != OVER; at++) {
		assert_true(at < STEPS_MAX);
		stage(&f);
		resume(&f, swap);
		got = steps_run(STEPS_FAIL, at, work_on, &finishing);
		assert_int_not_equal(got, FAILED_TWICE);
		check_finished(&f, "a call of a finishing", at);
	}
	end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_while_it_opens),
		cmocka_unit_test(test_killed_while_it_swaps),
		cmocka_unit_test(test_made_again),
		cmocka_unit_test(test_removed_and_killed),
		cmocka_unit_test(test_killed_while_it_undoes),
		cmocka_unit_test(test_killed_while_it_finishes),
		cmocka_unit_test(test_killed_again_and_again),
		cmocka_unit_test(test_a_call_fails_while_it_swaps),
		cmocka_unit_test(test_a_call_fails_while_it_looks),
		cmocka_unit_test(test_a_call_fails_while_it_undoes),
		cmocka_unit_test(test_synced),
		cmocka_unit_test(test_in_place_and_removed),
		cmocka_unit_test(test_a_call_fails_while_it_finishes),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	fill_large();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
