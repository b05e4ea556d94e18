#ifndef UNIT_ARCHIVE_PATCH_FIXTURE_H
#define UNIT_ARCHIVE_PATCH_FIXTURE_H

#include "tests/unit/steps.h"
#include "tests/unit/trees.h"

#include "tests/unit/archive/patch_trees.h"

/* A tree that is to be changed, what is put beside it, and how it must look then. */

static const char id[] = "20260101-000000-00000001";
static const char work[] = ".fuel-backup-20260101-000000-00000001";

/* The work folder is in the root, or beside it. */
struct fixture {
	char top[64], root[80], other[80];
	int root_fd, beside_fd; /* of what is beside, if that is not the root */
	char *old, *wanted;	/* listings */
	int tar;		/* of the latter */
	int lost;		/* times of the root that were lost */
};

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
patch_close_at(struct tree_swap **p)
{
	tree_swap_close(*p);
}

static int
open_patch(const struct fixture *f, struct tree_swap **ret_patch)
{
	struct err e;

	return tree_swap_open(
		f->root_fd, f->beside_fd >= 0 ? f->beside_fd : f->root_fd, id, ret_patch, &e);
}

typedef int act(struct tree_swap *p, struct err *e);

/* As another process would do it. */
static void
resume(const struct fixture *f, act *what)
{
	SCOPED(patch_close_at) struct tree_swap *p = NULL;
	struct err e;

	assert_int_equal(open_patch(f, &p), 0);
	if (what != NULL && what(p, &e) != 0)
		fail_msg("%s", e.text);
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
	SCOPED(patch_close_at) struct tree_swap *p = NULL;
	struct err e;

	assert_int_equal(open_patch(f, &p), 0);
	assert_int_equal(place(f->root, f->tar, p, &e), 0);
}

static int
swap(struct tree_swap *p, struct err *e)
{
	for (size_t i = 0; i < NOTES; i++)
		if (tree_swap_note(p, notes[i].what, notes[i].path, e) != 0)
			return -1;
	return tree_swap_run(p, e);
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
	SCOPED(patch_close_at) struct tree_swap *p = NULL;
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
		resume(f, tree_swap_undo);
		check_old(f, what, at);
	}
}

static void
check_finished(struct fixture *f, const char *what, int at)
{
	SCOPED(free_at) char *told = mem_format("%s, step %d", what, at);

	allow_for_time(f, f->wanted);
	for (int i = 0; i < 2; i++) {
		resume(f, tree_swap_finish);
		SCOPED(free_at) char *is = tree_list(f->root, false);
		tree_same(f->wanted, is, told);
	}
	fresh_root(f);
}

#endif
