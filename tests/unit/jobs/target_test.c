/* Goal: of any tree and any archive: after a swap the tree is what the archive has, whoever wrote
 * into it while that was prepared; after an undo, also by another process, it is what it was. */
#include "../random_trees.h"
#include "../walk_to_fd.h"

#include <sys/mman.h>

#include "archive/ledger.h"
#include "base/clock.h"
#include "base/id.h"
#include "engine/lender.h"
#include "jobs/target.h"

enum { ROUNDS_IN_MEMORY = 100, ROUNDS_ON_DISK = 10, ROUNDS_LONG = 5000 };

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

static void
make(struct round *r)
{
	empty(r->f->tree);
	random_make(&r->a);
	assert_int_equal(mkdir(r->f->archived, 0700), 0);
	random_make(&r->b);
	archive(r);
	r->wanted = tree_list(r->f->archived, false);
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
swap(struct round *r)
{
	struct target_offsets offsets = {0};
	struct err e;

	must(target_survey(&r->t, &e));
	target_again(&r->t, &offsets);
	pick(r, &offsets, target_compare);
	ledger_settle(differ_ledger(r->t.differ));
	must(target_again_all(&r->t, options_of(r), &e));
	put_beside(r, true);
	must(target_ready(&r->t, &e));
	must(target_swap(&r->t, &e));
}

static void
check(const struct round *r, const char *wanted, bool inodes)
{
	SCOPED(free_at) char *is = tree_list(r->f->tree, inodes);

	tree_same(wanted, is, r->told);
	assert_false(patch_there(lender_fd(r->f->lender, r->t.number), id));
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
run_round(struct fixture *f, uint64_t seed, bool steady)
{
	const bool layer = seed / 3 % 2 == 0;
	struct round r = {.f = f, .seed = seed};

	r.a = (struct random_tree){
		.top = f->tree, .common = seed, .own = random_of(seed, "a", 0), .layer = layer};
	r.b = (struct random_tree){
		.top = f->archived, .common = seed, .own = random_of(seed, "b", 0), .layer = layer};
	r.told = mem_format("seed %llu", (unsigned long long)seed);
	make(&r);
	if (steady) /* what is older than this is not compared again */
		(void)usleep(50 * 1000);
	compare_and_stage(&r);
	if (seed / 6 % 2 == 0 && !layer)
		random_change(f->tree, &r.a, random_of(seed, "c", 0));
	r.before = tree_list(f->tree, true);
	swap(&r);
	end(&r);
	target_clear(&r.t);
	(void)close(r.tar);
	random_free(&r.a);
	random_free(&r.b);
	free(r.before);
	free(r.wanted);
	free(r.told);
	tree_remove(f->archived);
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
test_rounds(void **state)
{
	const char *given = getenv("FB_SEED");
	const bool longer = getenv("FB_LONG") != NULL;

	(void)state;
	for (int disk = 0; disk < 2; disk++) {
		const int rounds = disk ? ROUNDS_ON_DISK : longer ? ROUNDS_LONG : ROUNDS_IN_MEMORY;
		struct fixture f;
		uint64_t seed;

		random_bytes(&seed, sizeof(seed));
		seed = given == NULL ? seed >> 16 : strtoull(given, NULL, 10);
		print_message("FB_SEED=%llu in %s\n", (unsigned long long)seed, places[disk]);
		open_fixture(&f, places[disk]);
		for (int i = 0; i < rounds; i++)
			run_round(&f, seed + (uint64_t)i, disk);
		lender_close(f.lender);
		engine_close(f.engine);
		tree_remove(f.top);
	}
}

/* ---- large files ---- */

#define CHANGE "printf other | dd of=big bs=1 seek=5000 conv=notrunc status=none; "
#define HOLE "fallocate -p -o 8192 -l 4096 big"
#define MUCH "yes other | head -c 1000000 >big; "

/* What is done to the archived tree, to the one on disk, and to that once all is put beside.  In
 * place: the file keeps its inode. */
static const struct {
	const char *name, *archived, *live, *meanwhile;
	bool in_place;
} cases[] = {
	{"a few bytes", "", CHANGE, "", true},
	{"longer", "", CHANGE "echo more >>big", "", true},
	{"shorter", "", CHANGE "truncate -s 999000 big", "", true},
	{"looks alone", "", "chmod 604 big; chown 7:8 big; setfattr -n user.x -v y big", "", true},
	{"a hole", "", "fallocate -p -o 8192 -l 4096 big", "", true},
	{"a hole in the archive", HOLE, CHANGE, "", true},
	{"zeros for a hole", HOLE, "fallocate -z -o 8192 -l 4096 big; " CHANGE, "", true},
	{"data for a hole", HOLE,
		CHANGE "printf x | dd of=big seek=9000 bs=1 conv=notrunc status=none", "", true},
	{"a hole at the end of the archive", "truncate -s 1010000 big", "truncate -s 900000 big",
		"", true},
	{"data behind the end", "truncate -s 1010000 big", "echo more >>big", "", true},
	{"much", "", MUCH, "", false},
	{"a second name", "", "ln big more; " CHANGE, "", false},
	{"a second name in the archive", "ln big more", "rm more; " CHANGE, "", false},
	{"a program", "", "chmod 755 big; " CHANGE, "", false},
	{"a program in the archive", "chmod 755 big", CHANGE "chmod 644 big", "", false},
	{"a library", "printf '\\177ELF' | dd of=big conv=notrunc status=none", CHANGE, "", false},
	{"missing", "", "rm big", "", false},
	{"in a folder that is missing", "mkdir d; mv big d", "rm -r d", "", false},
	{"written to", "", CHANGE, "printf x >>big", true},
	{"not written to, but to another", "echo 1 >small", CHANGE, "echo 2 >small", true},
	{"written to much", "", CHANGE, MUCH, false},
	{"removed", "", CHANGE, "rm big", false},
	{"replaced by a folder", "", CHANGE, "rm big; mkdir big; echo in >big/in", false},
	{"replaced by a file", "", CHANGE, "cp -a big other; mv other big", false},
	{"with its folder removed", "mkdir d; mv big d", "cd d; " CHANGE, "rm -r d", false},
	{"with its folder replaced", "mkdir d; mv big d", "cd d; " CHANGE, "mv d e; mkdir d",
		false},
};

static void
shell(const char *folder, const char *commands)
{
	SCOPED(free_at) char *text = mem_format("set -e; cd %s; %s", folder, commands);

	if (system(text) != 0)
		fail_msg("%s", text);
}

static ino_t
inode_of_big(const char *tree)
{
	struct stat st;

	for (int in_d = 0; in_d < 2; in_d++) {
		SCOPED(free_at) char *path = mem_format("%s/%sbig", tree, in_d ? "d/" : "");

		if (lstat(path, &st) == 0)
			return st.st_ino;
	}
	return 0;
}

static void
run_case(struct fixture *f, size_t i, uint64_t seed)
{
	struct round r = {.f = f, .seed = seed, .told = mem_format("%s", cases[i].name)};
	SCOPED(free_at) char *copy = mem_format("cp -a . %s/", f->tree);
	ino_t inode;

	empty(f->tree);
	assert_int_equal(mkdir(f->archived, 0700), 0);
	shell(f->archived,
		"yes 0123456789abcdef | head -c 1000000 >big; chown 5:6 big; chmod 640 big");
	shell(f->archived, cases[i].archived);
	archive(&r);
	r.wanted = tree_list(f->archived, false);
	shell(f->archived, copy);
	shell(f->tree, cases[i].live);
	(void)usleep(50 * 1000); /* what is older than this is not compared again */
	compare_and_stage(&r);
	shell(f->tree, cases[i].meanwhile);
	inode = inode_of_big(f->tree);
	r.before = tree_list(f->tree, true);
	swap(&r);
	SCOPED(free_at) char *is = tree_list(f->tree, false);

	tree_same(r.wanted, is, r.told);
	if ((inode_of_big(f->tree) == inode) != cases[i].in_place)
		fail_msg("%s: in place: %d", r.told, !cases[i].in_place);
	end(&r);
	target_clear(&r.t);
	(void)close(r.tar);
	free(r.before);
	free(r.wanted);
	free(r.told);
	tree_remove(f->archived);
}

static void
test_large_files(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f, places[1]);
	if (!tree_cacheable(lender_fd(f.lender, LENT_TREE)))
		print_message("/var/tmp does not tell what has changed: not tested\n");
	else
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
			for (uint64_t way = 0; way < 3; way++)
				run_case(&f, i, way + (way == 0 ? 9 : 0));
	lender_close(f.lender);
	engine_close(f.engine);
	tree_remove(f.top);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_files), cmocka_unit_test(test_rounds)};

	if (argc > 1 && strcmp(argv[1], "lend") == 0)
		return lender_main(argc - 1, argv + 1);
	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
