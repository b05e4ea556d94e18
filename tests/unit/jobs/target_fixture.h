#ifndef UNIT_JOBS_TARGET_FIXTURE_H
#define UNIT_JOBS_TARGET_FIXTURE_H

#include "tests/unit/random_trees.h"
#include "tests/unit/walk_to_fd.h"

#include <sys/mman.h>

#include "archive/restore/member_index.h"
#include "base/clock.h"
#include "base/id.h"
#include "engine/lender/lender.h"
#include "jobs/restore/data/target.h"

/* A tree on disk, an archive of another, and a restore of that as refill*.c does it. */

static const char id[] = "20260101-000000-00000001";
static const char *const places[] = {"/dev/shm/fb-target-XXXXXX", "/var/tmp/fb-target-XXXXXX"};

/* What is lent: the folder of the tree, and the tree, to be looked at and to be written to. */
enum { LENT_FOLDER, LENT_LAYER, LENT_TREE, LENT };

struct fixture {
	char top[64], run[80], folder[80], tree[80], archived[80];
	struct engine *engine;
	struct self self;
	struct lender *lender;
	struct excludes excludes;
};

struct round {
	struct fixture *f;
	struct random_tree a, b;
	uint64_t seed;
	int tar;
	struct target t;
	char *before, *wanted, *told;
};

static const struct target_options *
options_of(const struct round *r)
{
	static struct target_options options;

	options = (struct target_options){.id = id,
		.run_fd = -1,
		.excludes = &r->f->excludes,
		.in_place_from = r->seed % 4 == 0 ? 0 : 1};
	return &options;
}

#define must(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s: %s", r->told, #call, e.text);                            \
	} while (0)

/* ---- the archive ---- */

static void
archive(struct round *r)
{
	static const char end[MEMBER_END_SIZE];
	SCOPED(fd_close_at) int root = open(r->f->archived, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct tree tree = {.root_fd = root,
		.prefix = "t",
		.layer = r->b.layer,
		.opaque = (const char *const *)r->b.opaque,
		.opaque_count = r->b.opaque_count};
	struct err e;

	r->tar = memfd_create("tar", MFD_CLOEXEC);
	const struct segment_sink sink = {.begin = on_begin,
		.data = on_data,
		.end = on_end,
		.notice = on_notice,
		.ctx = &r->tar};
	must(segments_walk(&tree, &sink, &e));
	assert_int_equal(write(r->tar, end, sizeof(end)), sizeof(end));
}

static ssize_t
read_fd(void *ctx, void *data, size_t size, struct err *e)
{
	(void)e;
	return read(*(int *)ctx, data, size);
}

typedef int visit(struct target *t, const struct member *m, struct reader *r, struct err *e);

/* Hand the members of ${offsets}, or all, to ${what}. */
static void
pick(struct round *r, struct target_offsets *offsets, visit *what)
{
	SCOPED(reader_close_at) struct reader *reader = NULL;
	const struct member *m;
	struct err e;
	int more;

	assert_int_equal(lseek(r->tar, 0, SEEK_SET), 0);
	must(reader_open((struct source){.read = read_fd, .ctx = &r->tar}, &reader, &e));
	while ((more = reader_next(reader, &m, &e)) > 0) {
		bool wanted = offsets == NULL;

		for (size_t i = 0; offsets != NULL && i < offsets->count; i++)
			wanted = wanted || offsets->list[i] == reader_place(reader).header;
		if (wanted)
			must(what(&r->t, m, reader, &e));
	}
	assert_int_equal(more, 0);
	if (offsets != NULL) {
		free(offsets->list);
		*offsets = (struct target_offsets){0};
	}
}

/* ---- a round, as refill*.c does it ---- */

static struct target
target_of(const struct round *r)
{
	const bool layer = r->a.layer;

	return (struct target){.prefix = mem_string("t"),
		.path = mem_string(r->f->tree),
		.volume = layer ? NULL : mem_string("v"),
		.container = layer ? mem_string("c") : NULL,
		.active = true,
		.lender = r->f->lender,
		.number = layer ? LENT_FOLDER : LENT_TREE,
		.itself = LENT_LAYER,
		.root_fd = layer ? open(r->f->tree, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1,
		.saved_fd = -1};
}

/* Empty the tree, the folder itself being lent. */
static void
empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *x;

	assert_non_null(dir);
	while ((x = readdir(dir)) != NULL) {
		SCOPED(free_at) char *below = mem_format("%s/%s", path, x->d_name);

		if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0)
			tree_remove(below);
	}
	(void)closedir(dir);
	(void)lremovexattr(path, "trusted.note");
}

/* Until none is wanted any more. */
static void
put_beside(struct round *r, bool still)
{
	struct target_offsets wanted = {0};

	for (;;) {
		target_wanted(&r->t, still, &wanted);
		if (wanted.count == 0)
			break;
		pick(r, &wanted, target_member);
	}
	free(wanted.list);
}

static void
compare_and_stage(struct round *r)
{
	struct err e;

	r->t = target_of(r);
	must(target_look(&r->t, options_of(r), &e));
	pick(r, NULL, target_compare);
	must(target_survey(&r->t, &e));
	must(target_begin(&r->t, options_of(r), &e));
	put_beside(r, false);
}

static void
make_ready(struct round *r)
{
	struct target_offsets offsets = {0};
	struct err e;

	must(target_survey(&r->t, &e));
	target_again(&r->t, &offsets);
	pick(r, &offsets, target_compare);
	member_index_settle(tree_diff_ledger(r->t.differ));
	must(target_again_all(&r->t, options_of(r), &e));
	put_beside(r, true);
	must(target_ready(&r->t, &e));
}

static void
swap(struct round *r)
{
	struct err e;

	make_ready(r);
	must(target_swap(&r->t, &e));
}

static void
check(const struct round *r, const char *wanted, bool inodes)
{
	SCOPED(free_at) char *is = tree_list(r->f->tree, inodes);

	tree_same(wanted, is, r->told);
	assert_false(tree_swap_there(lender_fd(r->f->lender, r->t.number), id));
}

static void
end(struct round *r)
{
	struct err e;

	switch (r->seed % 3) {
	case 0:
		must(target_finish(&r->t, options_of(r), &e));
		check(r, r->wanted, false);
		break;
	case 1:
		target_clear(&r->t); /* as if the process had ended */
		r->t = target_of(r);
		must(target_resume(&r->t, options_of(r), &e));
		__attribute__((fallthrough));
	default:
		must(target_undo(&r->t, options_of(r), &e));
		check(r, r->before, true);
	}
}

static void
open_fixture(struct fixture *f, const char *place)
{
	static char *no_patterns[] = {NULL};
	struct err e;

	*f = (struct fixture){.excludes = {.patterns = no_patterns}};
	(void)snprintf(f->top, sizeof(f->top), "%s", place);
	assert_non_null(mkdtemp(f->top));
	(void)snprintf(f->run, sizeof(f->run), "%s/run", f->top);
	(void)snprintf(f->folder, sizeof(f->folder), "%s/layer", f->top);
	(void)snprintf(f->tree, sizeof(f->tree), "%s/layer/diff", f->top);
	(void)snprintf(f->archived, sizeof(f->archived), "%s/archived", f->top);
	assert_int_equal(mkdir(f->run, 0700), 0);
	assert_int_equal(mkdir(f->folder, 0700), 0);
	assert_int_equal(mkdir(f->tree, 0700), 0);
	assert_int_equal(engine_open("unix:///nowhere", &f->engine, &e), 0);
	const struct lender_root roots[LENT] = {
		[LENT_FOLDER] = {.path = f->folder, .writable = true},
		[LENT_LAYER] = {.path = f->tree},
		[LENT_TREE] = {.path = f->tree, .writable = true}};
	if (lender_open(&(struct lender_options){.engine = f->engine,
				.self = &f->self,
				.run_path = f->run,
				.name = "test",
				.roots = roots,
				.count = LENT},
		    &f->lender, &e) != 0)
		fail_msg("%s", e.text);
}

static void
close_fixture(struct fixture *f)
{
	lender_close(f->lender);
	engine_close(f->engine);
	tree_remove(f->top);
}

#endif
