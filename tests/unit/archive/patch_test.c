/* Goal: whatever step a swap of entries, its undoing or its finishing is killed at or fails at,
 * the old tree can be put back, or the new one finished, to the last attribute and inode. */
#include "../steps.h"
#include "../trees.h"
#include "../walk_to_fd.h"

#include <sys/mman.h>

#include "archive/delta.h"
#include "archive/patch.h"
#include "patch_trees.h"

static const char id[] = "20260101-000000-00000001";
static const char work[] = ".fuel-backup-20260101-000000-00000001";

enum { STEPS_MAX = 5000, PAIRS = 40 };

/* The work folder is in the root, or beside it. */
struct fixture {
	char top[64], root[80], other[80];
	int root_fd, beside_fd; /* of what is beside, if that is not the root */
	char *old, *wanted;	/* listings */
	int tar;		/* of the latter */
	int lost;		/* times of the root that were lost */
};

static int
archive(const char *path)
{
	static const char end[MEMBER_END_SIZE];
	SCOPED(fd_close_at) int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree tree = {.root_fd = root, .prefix = "t"};
	int tar = memfd_create("tar", MFD_CLOEXEC);
	const struct segment_sink sink = {.begin = on_begin,
		.data = on_data,
		.end = on_end,
		.notice = on_notice,
		.ctx = &tar};
	struct err e;

	assert_int_equal(segments_walk(&tree, &sink, &e), 0);
	assert_int_equal(write(tar, end, sizeof(end)), sizeof(end));
	return tar;
}

static void
fresh_root(struct fixture *f)
{
	if (f->root_fd >= 0)
		(void)close(f->root_fd);
	tree_remove(f->root);
	tree_make(f->root, before, BEFORE);
	f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(f->old);
	f->old = tree_list(f->root, true);
}

static void
begin(struct fixture *f, bool inside)
{
	char wanted[80];

	*f = (struct fixture){.top = "/dev/shm/fb-patch-XXXXXX", .root_fd = -1, .beside_fd = -1};
	assert_non_null(mkdtemp(f->top));
	(void)snprintf(f->root, sizeof(f->root), "%s/root", f->top);
	(void)snprintf(f->other, sizeof(f->other), "%s", inside ? f->root : f->top);
	(void)snprintf(wanted, sizeof(wanted), "%s/wanted", f->top);
	if (!inside)
		f->beside_fd = open(f->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	tree_make(wanted, after, AFTER);
	f->wanted = tree_list(wanted, false);
	f->tar = archive(wanted);
	fresh_root(f);
}

static void
end(struct fixture *f)
{
	assert_true(f->lost <= 1);
	(void)close(f->root_fd);
	if (f->beside_fd >= 0)
		(void)close(f->beside_fd);
	free(f->old);
	free(f->wanted);
	(void)close(f->tar);
	tree_remove(f->top);
}

static void
patch_close_at(struct patch **p)
{
	patch_close(*p);
}

static int
open_patch(const struct fixture *f, struct patch **ret_patch)
{
	struct err e;

	return patch_open(
		f->root_fd, f->beside_fd >= 0 ? f->beside_fd : f->root_fd, id, ret_patch, &e);
}

typedef int act(struct patch *p, struct err *e);

/* As another process would do it. */
static void
resume(const struct fixture *f, act *what)
{
	SCOPED(patch_close_at) struct patch *p = NULL;
	struct err e;

	assert_int_equal(open_patch(f, &p), 0);
	if (what != NULL && what(p, &e) != 0)
		fail_msg("%s", e.text);
}

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

/* Put beside what is to be written in place: 0, 1 if it is not to be, -1. */
static int
place(const struct fixture *f, struct patch *p, struct err *e)
{
	SCOPED(free_at) char *path = mem_format("%s/a/large", f->root);
	SCOPED(fd_close_at) int live = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED(fd_close_at) int new = -1;
	SCOPED(fd_close_at) int old = -1;
	SCOPED(reader_close_at) struct reader *r = NULL;
	const struct member *m = NULL;
	int tar = f->tar, made;

	if (lseek(tar, 0, SEEK_SET) != 0 ||
		reader_open((struct source){.read = read_fd, .ctx = &tar}, &r, e) != 0)
		return -1;
	do {
		if (reader_next(r, &m, e) <= 0)
			return -1;
	} while (strcmp(m->path, "t/a/large") != 0);
	if (patch_delta_open(p, "a/large", &new, &old, e) != 0)
		return -1;
	made = delta_make(live, m, r, LARGE / 4, new, old, e);
	return made < 0 ? -1 : 1 - made;
}

/* Put into new/ what is to come. */
static void
stage(struct fixture *f)
{
	SCOPED(free_at) char *new = mem_format("%s/%s/new", f->other, work);
	SCOPED(free_at) char *kept = mem_format("%s/b", new);
	SCOPED(free_at) char *from = mem_format("%s/a/same", f->root);
	SCOPED(free_at) char *to = mem_format("%s/a/third", new);

	resume(f, NULL);
	(void)mkdir(kept, 0700);
	for (size_t i = 0; i < AFTER; i++)
		if (is_noted(after[i].path) && after[i].type != 'h')
			tree_put(new, &after[i]);
	assert_int_equal(link(from, to), 0); /* to what stays */
	for (size_t i = AFTER; i-- > 0;)
		if (is_noted(after[i].path))
			tree_time(new, &after[i]);
	SCOPED(patch_close_at) struct patch *p = NULL;
	struct err e;

	assert_int_equal(open_patch(f, &p), 0);
	assert_int_equal(place(f, p, &e), 0);
}

static int
swap(struct patch *p, struct err *e)
{
	for (size_t i = 0; i < NOTES; i++)
		if (patch_note(p, notes[i].what, notes[i].path, e) != 0)
			return -1;
	return patch_swap(p, e);
}

/* ---- in another process ---- */

enum { OVER = STEPS_OVER, DONE, DONE_AFTER_ALL, NOT_OPENED, FAILED, FAILED_TWICE, NOT_WORTH_IT };

struct job {
	const struct fixture *f;
	act *first, *else_do; /* what is done, and what if that fails */
};

static int
work_on(void *ctx)
{
	const struct job *j = ctx;
	SCOPED(patch_close_at) struct patch *p = NULL;
	struct err e;

	if (open_patch(j->f, &p) != 0)
		return NOT_OPENED;
	if (j->first == NULL || j->first(p, &e) == 0)
		return DONE;
	if (j->else_do == NULL)
		return FAILED;
	return j->else_do(p, &e) == 0 ? DONE_AFTER_ALL : FAILED_TWICE;
}

/*
 * What no order of calls can help: the time of a folder in which the work folder was just made or
 * removed, if the next call, which sets it, is the one that does not come.
 */
static void
allow_for_time(struct fixture *f, const char *wanted)
{
	SCOPED(free_at) char *path = mem_format("%s/%s/new", f->other, work);
	SCOPED(free_at) char *is = NULL;
	long long seconds;
	long ns;

	if (strcmp(f->other, f->root) != 0 || access(path, F_OK) == 0)
		return;
	is = tree_list(f->root, false);
	assert_int_equal(sscanf(wanted, ". %*o %*u:%*u %lld.%ld", &seconds, &ns), 2);
	SCOPED(free_at) char *time = mem_format(" %lld.%09ld", seconds, ns);

	if (memmem(is, strcspn(is, "\n"), time, strlen(time)) != NULL)
		return;
	f->lost++;
	assert_int_equal(utimensat(AT_FDCWD, f->root,
				 (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, {seconds, ns}}, 0),
		0);
}

static void
check_old(struct fixture *f, const char *what, int at)
{
	SCOPED(free_at) char *is = tree_list(f->root, true);
	SCOPED(free_at) char *left = mem_format("%s/%s", f->other, work);
	SCOPED(free_at) char *told = mem_format("%s, step %d", what, at);

	tree_same(f->old, is, told);
	assert_int_not_equal(access(left, F_OK), 0);
}

static void
check_undone(struct fixture *f, const char *what, int at)
{
	allow_for_time(f, f->old);
	for (int i = 0; i < 2; i++) {
		resume(f, patch_undo);
		check_old(f, what, at);
	}
}

static void
check_finished(struct fixture *f, const char *what, int at)
{
	SCOPED(free_at) char *told = mem_format("%s, step %d", what, at);

	allow_for_time(f, f->wanted);
	for (int i = 0; i < 2; i++) {
		resume(f, patch_finish);
		SCOPED(free_at) char *is = tree_list(f->root, false);
		tree_same(f->wanted, is, told);
	}
	fresh_root(f);
}

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
	SCOPED(patch_close_at) struct patch *p = NULL;
	SCOPED(free_at) char *told = mem_format("not undoing at step %d", at);

	if (!patch_there(f->beside_fd >= 0 ? f->beside_fd : f->root_fd, id))
		return;
	assert_int_equal(open_patch(f, &p), 0);
	if (!patch_begun(p) || patch_undoing(p))
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

			if (notes[i].what == PATCH_DELETE)
				assert_int_equal(mkdir(path, 0755), 0);
		}
		resume(&f, patch_undo);
		check_old(&f, "undone", 0);
		end(&f);
	}
}

/* Who used the new tree has removed what was new; and the undo is killed at each of its steps. */
static void
test_removed_and_killed(void **state)
{
	struct fixture f;
	struct job undoing = {.f = &f, .first = patch_undo};
	int at = 1, got;

	(void)state;
	begin(&f, true);
	for (;; at++) {
		stage(&f);
		resume(&f, swap);
		for (size_t i = 0; i < NOTES; i++) {
			SCOPED(free_at) char *path = mem_format("%s/%s", f.root, notes[i].path);

			if (notes[i].what == PATCH_ENTRY)
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
		struct job undoing = {.f = &f, .first = patch_undo};
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
		struct job finishing = {.f = &f, .first = patch_finish};
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
	struct job swapping = {.f = &f, .first = swap}, undoing = {.f = &f, .first = patch_undo};
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
	struct job swapping = {.f = &f, .first = swap, .else_do = patch_undo};
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
	SCOPED(patch_close_at) struct patch *p = NULL;
	struct err e;

	if (open_patch(f, &p) != 0)
		return NOT_OPENED;
	switch (place(f, p, &e)) {
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
	resume(&f, patch_undo);
	assert_int_not_equal(access(path, F_OK), 0);
	end(&f);
}

static void
test_a_call_fails_while_it_undoes(void **state)
{
	struct fixture f;
	struct job undoing = {.f = &f, .first = patch_undo, .else_do = patch_undo};
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
	struct job finishing = {.f = &f, .first = patch_finish, .else_do = patch_finish};
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
