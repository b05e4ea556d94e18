/* Goal: a large file that differs in a few places is written in place, and only where that is safe;
 * whoever wrote to it meanwhile, and whatever kind it is, the tree is then what the archive has, or
 * what it was. */
#include "tests/unit/jobs/target_fixture.h"

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
	{"written to all the time", "", CHANGE "touch -d '+1 hour' big", "", false},
	{"a device", "", "rm big; mknod big c 1 3", "", false},
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

/* False if /var/tmp does not tell what has changed. */
static bool
open_place(struct fixture *f)
{
	open_fixture(f, places[1]);
	if (tree_cacheable(lender_fd(f->lender, LENT_TREE)))
		return true;
	close_fixture(f);
	return false;
}

static void
set_case(struct fixture *f, struct round *r, const char *archived, const char *live)
{
	SCOPED(free_at) char *copy = mem_format("cp -a . %s/", f->tree);

	empty(f->tree);
	assert_int_equal(mkdir(f->archived, 0700), 0);
	shell(f->archived,
		"yes 0123456789abcdef | head -c 1000000 >big; chown 5:6 big; chmod 640 big");
	shell(f->archived, archived);
	archive(r);
	r->wanted = tree_list(f->archived, false);
	shell(f->archived, copy);
	shell(f->tree, live);
	(void)usleep(50 * 1000); /* what is older than this is not compared again */
	compare_and_stage(r);
}

static void
end_case(struct round *r)
{
	target_clear(&r->t);
	(void)close(r->tar);
	free(r->before);
	free(r->wanted);
	free(r->told);
	tree_remove(r->f->archived);
}

static void
run_case(struct fixture *f, size_t i, uint64_t seed)
{
	struct round r = {.f = f, .seed = seed, .told = mem_format("%s", cases[i].name)};
	ino_t inode;

	set_case(f, &r, cases[i].archived, cases[i].live);
	shell(f->tree, cases[i].meanwhile);
	inode = inode_of_big(f->tree);
	r.before = tree_list(f->tree, true);
	swap(&r);
	SCOPED(free_at) char *is = tree_list(f->tree, false);

	tree_same(r.wanted, is, r.told);
	if ((inode_of_big(f->tree) == inode) != cases[i].in_place)
		fail_msg("%s: in place: %d", r.told, !cases[i].in_place);
	end(&r);
	end_case(&r);
}

/* Somebody who was not stopped writes at the last moment: nothing of that is lost, nor mixed. */
static void
test_somebody_writes(void **state)
{
	static const char *const writes[] = {"printf x >>big", "rm big", "ln big second",
		"printf x | dd of=big conv=notrunc status=none", "cp -a big other; mv other big"};
	struct fixture f;
	struct err e;

	(void)state;
	if (!open_place(&f))
		skip();
	for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++) {
		struct round round = {.f = &f, .seed = 1, .told = mem_format("%s", writes[i])};
		struct round *r = &round;

		set_case(&f, r, "", CHANGE);
		make_ready(r);
		shell(f.tree, writes[i]);
		r->before = tree_list(f.tree, true);
		assert_int_equal(target_swap(&r->t, &e), -1);
		assert_int_equal(e.code, ERR_CONFLICT);
		must(target_undo(&r->t, options_of(r), &e));
		check(r, r->before, true);
		end_case(r);
	}
	close_fixture(&f);
}

static void
test_large_files(void **state)
{
	struct fixture f;

	(void)state;
	if (!open_place(&f))
		skip();
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++)
		for (uint64_t way = 0; way < 3; way++)
			run_case(&f, k, way + (way == 0 ? 9 : 0));
	close_fixture(&f);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_files), cmocka_unit_test(test_somebody_writes)};

	if (argc > 1 && strcmp(argv[1], "lend") == 0)
		return lender_main(argc - 1, argv + 1);
	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
