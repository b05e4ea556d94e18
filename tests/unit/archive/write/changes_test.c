/* Goal: of a whole tree and what it began with a walk meets what overlay's upper directory would
 * hold, no more and no less, and laid over another copy of the beginning that makes the same tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/restore/extract.h"
#include "archive/restore/tree_diff.h"
#include "archive/tar/reader.h"
#include "archive/write/changes.h"
#include "base/mem.h"
#include "base/scope.h"
#include "tests/unit/walk_to_fd.h"

static char top[64];
static int top_fd;

static const char began[] =
	"mkdir -p base/etc/skel base/etc/apt/deep base/usr/lib base/opt base/var/empty\n"
	"cd base; for i in 1 2 3 4 5 6 7 8 9; do echo $i >usr/lib/file$i; echo $i >etc/f$i; done\n"
	"echo s >etc/skel/s; echo a >etc/apt/a; echo d >etc/apt/deep/d; echo i >etc/issue\n"
	"echo one >usr/link1; ln usr/link1 usr/link2; ln usr/link1 usr/link3; ln -s issue etc/sym\n"
	"echo same >etc/touched; echo 12345 >etc/sly; setfattr -n user.a -v 1 etc/touched\n"
	"mknod usr/null c 1 3; mkfifo usr/fifo; head -c 300000 /dev/urandom >usr/large\n"
	"chmod 4755 usr/lib/file1; touch -d '2001-02-03 04:05:06.000000007' usr/lib usr/lib/* .\n"
	"cd ..; cp -a --reflink=never base tree; cp -a base other; sleep 0.05; : >born; sleep "
	"0.05\n";

/* As containers do. */
static const char changed[] =
	"cd tree; rm etc/issue; rm -r etc/skel; echo file >etc/skel\n"
	"rm -r etc/apt; mkdir -m 700 etc/apt; echo only >etc/apt/only; mkdir etc/apt/deep\n"
	"rm etc/f1; mkdir etc/f1; echo in >etc/f1/in; echo 22 >etc/f2; chmod 600 etc/f3\n"
	"chown 12:34 opt; setfattr -n user.note -v x etc/f4; mv etc/f5 etc/f5.moved\n"
	"touch -r etc/sly keep; echo 54321 >etc/sly; touch -r keep etc/sly; rm keep\n"
	"touch -r etc/touched keep; touch etc/touched; touch -r keep etc/touched; rm keep\n"
	"rm usr/link3; mkdir -p new/folder/deep; echo n >new/folder/deep/n; ln etc/f6 new/f6\n"
	"rm etc/sym; ln -s elsewhere etc/sym; rm usr/fifo; mknod usr/zero c 1 5\n"
	"printf x | dd of=usr/large bs=1 seek=70000 conv=notrunc status=none\n"
	"touch -d '2011-02-03 04:05:06.000000009' . var/empty\n";

/* Bytewise; a folder before what is in it. */
static const char *const expected[] = {"D l", "D l/etc", "D l/etc/apt", "D l/etc/apt/deep",
	"D l/etc/f1", "D l/new", "D l/new/folder", "D l/new/folder/deep", "D l/opt", "D l/usr",
	"D l/var", "D l/var/empty", "l/etc/apt/.wh.a", "l/etc/apt/deep/.wh.d", "l/etc/apt/only",
	"l/etc/f1/in", "l/etc/f2", "l/etc/f3", "l/etc/f4", "l/etc/.wh.f5", "l/etc/f5.moved",
	"l/etc/f6", "l/etc/.wh.issue", "l/etc/skel", "l/etc/sly", "l/etc/sym", "l/new/f6",
	"l/new/folder/deep/n", "l/usr/.wh.fifo", "l/usr/large", "l/usr/link1", "l/usr/link2",
	"l/usr/.wh.link3", "l/usr/zero"};

static void
run(const char *script)
{
	SCOPED(free_at) char *command = mem_format("set -e; cd %s\n%s", top, script);

	assert_int_equal(system(command), 0);
}

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/var/tmp/fb-changes-XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	run(began);
	return 0;
}

static int
teardown(void **state)
{
	SCOPED(free_at) char *command = mem_format("rm -rf %s", top);

	(void)state;
	(void)close(top_fd);
	return system(command);
}

static int
open_in(const char *name)
{
	const int fd = openat(top_fd, name, O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct changes *
find(const char *tree, const char *base, bool born)
{
	SCOPED(fd_close_at) int root_fd = open_in(tree);
	SCOPED(fd_close_at) int base_fd = open_in(base);
	SCOPED(fd_close_at) int born_fd = open_in("born");
	const struct changes_options o = {root_fd, base_fd, born ? born_fd : -1};
	struct changes *changes = NULL;
	struct err e;

	assert_int_equal(changes_find(&o, &changes, &e), 0);
	return changes;
}

/* A tar of the tree in the file ${name}; the caller's to close. */
static int
archive(const struct tree *t, const char *name)
{
	int fd = openat(top_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const struct segment_sink sink = {
		.begin = on_begin, .data = on_data, .end = on_end, .notice = on_notice, .ctx = &fd};
	static const char end[1024];
	struct err e;

	assert_true(fd >= 0);
	assert_int_equal(segments_walk(t, &sink, &e), 0);
	assert_int_equal(write(fd, end, sizeof(end)), sizeof(end));
	return fd;
}

static int
archive_changes(const char *tree, struct changes *c, const char *name)
{
	SCOPED(fd_close_at) int root_fd = open_in(tree);
	const struct tree t = {.root_fd = root_fd, .prefix = "l", .layer = true, .changes = c};

	return archive(&t, name);
}

static ssize_t
read_fd(void *ctx, void *data, size_t len, struct err *e)
{
	const ssize_t got = read(*(int *)ctx, data, len);

	return got < 0 ? err_errno(e, "read") : got;
}

typedef int visit(void *ctx, const struct member *m, struct reader *r, struct err *e);

static void
read_all(int tar_fd, visit *v, void *ctx)
{
	const struct member *m;
	struct reader *r;
	struct err e;
	int more;

	assert_int_equal(lseek(tar_fd, 0, SEEK_SET), 0);
	assert_int_equal(reader_open((struct source){read_fd, &tar_fd}, &r, &e), 0);
	while ((more = reader_next(r, &m, &e)) > 0)
		if (v(ctx, m, r, &e) != 0)
			fail_msg("%s: %s", m->path, e.text);
	assert_int_equal(more, 0);
	reader_close(r);
}

static int
put(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	return extract_member(ctx, m, r, e);
}

/* Lay the tar over the tree ${name}. */
static void
merge(int tar_fd, const char *name)
{
	const struct extract_options options = {.prefix = "l", .layer = true, .merge = true};
	SCOPED(fd_close_at) int root = open_in(name);
	SCOPED(extract_close_at) struct extract *x = NULL;
	struct err e;

	assert_int_equal(extract_open(root, &options, &x, &e), 0);
	read_all(tar_fd, put, x);
	assert_int_equal(extract_finish(x, &e), 0);
}

struct told {
	size_t count;
	bool wrong;
};

static int
tell(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	struct told *t = ctx;
	SCOPED(free_at)
	char *line = mem_format("%s%s", m->type == MEMBER_DIR ? "D " : "", m->path);

	(void)r;
	(void)e;
	if (t->count >= sizeof(expected) / sizeof(expected[0]) ||
		strcmp(line, expected[t->count]) != 0) {
		print_message("member %zu is %s\n", t->count, line);
		t->wrong = true;
	}
	t->count++;
	return 0;
}

static const char compare[] =
	"test -z \"$(rsync -aHAXn --numeric-ids --delete --checksum --modify-window=-1 "
	"--itemize-changes tree/ other/ | tee /dev/stderr)\"\n";

static void
test_what_changed(void **state)
{
	struct told t = {0};

	(void)state;
	run(changed);
	SCOPED(changes_free_at) struct changes *c = find("tree", "base", true);
	SCOPED(fd_close_at) int tar = archive_changes("tree", c, "tar");

	read_all(tar, tell, &t);
	assert_false(t.wrong);
	assert_int_equal(t.count, sizeof(expected) / sizeof(expected[0]));
	merge(tar, "other");
	run(compare);
}

/* Nothing was touched: nothing is met but the root, whether it is known when the tree was made or
 * all has to be read. */
static void
test_nothing_changed(void **state)
{
	(void)state;
	for (int born = 0; born < 2; born++) {
		SCOPED(changes_free_at) struct changes *c = find("tree", "base", born == 1);

		assert_null(changes_folder(c, ""));
	}
}

/* What was touched and is the same is no change, nor is what another name's change only seemed. */
static void
test_read_where_times_do_not_tell(void **state)
{
	(void)state;
	run("touch -r tree/etc/sly keep; cat tree/etc/sly >copy; cat copy >tree/etc/sly\n"
	    "touch -r keep tree/etc/sly; chmod 600 tree/etc/f1; chmod 644 tree/etc/f1\n");
	SCOPED(changes_free_at) struct changes *c = find("tree", "base", true);

	assert_null(changes_folder(c, ""));
}

struct compared {
	struct tree_diff *differ;
};

static int
compare_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	return tree_diff_member(((struct compared *)ctx)->differ, m, r, e);
}

/* Whether the tree ${name} differs from the tar, as a dry run sees it. */
static bool
differs(int tar_fd, const char *name)
{
	SCOPED(changes_free_at) struct changes *c = find(name, "base", true);
	SCOPED(fd_close_at) int root_fd = open_in(name);
	const struct tree_diff_options o = {
		.tree = {.root_fd = root_fd, .prefix = "l", .layer = true, .changes = c}};
	struct compared compared;
	struct err e;
	bool any;

	assert_int_equal(tree_diff_open(&o, &compared.differ, &e), 0);
	read_all(tar_fd, compare_member, &compared);
	assert_int_equal(tree_diff_survey(compared.differ, &e), 0);
	any = tree_diff_any(compared.differ);
	tree_diff_close(compared.differ);
	return any;
}

static void
test_comparison(void **state)
{
	static const char *const wrecks[] = {"echo x >>tree/etc/f2", "rm tree/etc/apt/only",
		"echo back >tree/etc/issue", "rm tree/usr/lib/file2", "echo x >tree/usr/lib/file2",
		"echo x >tree/new/more", "chmod 711 tree/opt", "chmod 700 tree/usr/lib",
		"cp tree/etc/f7 x; rm tree/etc/f7; cp x tree/etc/f7", "echo a >tree/etc/apt/a"};

	(void)state;
	run(changed);
	SCOPED(changes_free_at) struct changes *c = find("tree", "base", true);
	SCOPED(fd_close_at) int tar = archive_changes("tree", c, "tar");

	merge(tar, "other");
	run("sleep 0.05");
	assert_false(differs(tar, "tree"));
	assert_false(differs(tar, "other"));
	for (size_t i = 0; i < sizeof(wrecks) / sizeof(wrecks[0]); i++) {
		run("rm -rf saved; cp -a tree saved");
		run(wrecks[i]);
		if (!differs(tar, "tree"))
			fail_msg("%s is not seen", wrecks[i]);
		run("rm -rf tree; mv saved tree");
	}
}

/* An upper directory of overlay with an opaque folder, laid over a tree: what the folder hid goes,
 * and a dry run finds nothing to do then, but does if some of it comes back. */
static void
test_opaque(void **state)
{
	static const char *const opaque[] = {"etc/apt"};

	(void)state;
	run("mkdir -p upper/etc/apt/deep; echo new >upper/etc/apt/new; mknod upper/etc/f9 c 0 0\n"
	    "mknod upper/etc/never c 0 0; cp -a base/etc/f8 upper/etc/f8\n"
	    "rm -r other/etc/apt other/etc/f9; cp -a upper/etc/apt other/etc/apt\n"
	    "touch -r upper other; touch -r upper/etc other/etc\n");
	SCOPED(fd_close_at) int root_fd = open_in("upper");
	const struct tree t = {.root_fd = root_fd,
		.prefix = "l",
		.layer = true,
		.opaque = opaque,
		.opaque_count = 1};
	SCOPED(fd_close_at) int tar = archive(&t, "tar");

	merge(tar, "tree");
	run("chmod --reference=upper other; chmod --reference=upper/etc other/etc\n"
	    "touch -r upper other; touch -r upper/etc other/etc\n");
	run(compare);
	run("sleep 0.05");
	assert_false(differs(tar, "tree"));
	run("cp -a base/etc/apt/deep/d tree/etc/apt/deep/d; touch -r upper/etc/apt/deep "
	    "tree/etc/apt/deep; sleep 0.05");
	assert_true(differs(tar, "tree"));
}

/* Marks by name, as aufs and fuse-overlayfs write them, are what overlay's are. */
static void
test_named_marks(void **state)
{
	static const char *const opaque[] = {"d"};

	(void)state;
	run("mkdir -p upper/d named/d named/.wh..wh.plnk named/.wh..wh.orph; echo f >upper/d/f\n"
	    "mknod upper/b c 0 0; mknod upper/d/z c 0 0; echo c >upper/c; : >named/.wh..wh.aufs\n"
	    ": >named/.wh.b; : >named/d/.wh..wh..opq; : >named/d/.wh..opq; : >named/d/.wh.z\n"
	    "cp -a upper/d/f named/d; cp -a upper/c named; touch -h -d @7 upper/b upper/d/z "
	    "named/.wh.b named/d/.wh.z; touch -r upper named; touch -r upper/d named/d\n");
	SCOPED(fd_close_at) int upper_fd = open_in("upper");
	SCOPED(fd_close_at) int named_fd = open_in("named");
	const struct tree upper = {.root_fd = upper_fd,
		.prefix = "l",
		.layer = true,
		.opaque = opaque,
		.opaque_count = 1};
	const struct tree named = {
		.root_fd = named_fd, .prefix = "l", .layer = true, .named_marks = true};
	SCOPED(fd_close_at) int a = archive(&upper, "a");
	SCOPED(fd_close_at) int b = archive(&named, "b");

	(void)a;
	(void)b;
	run("cmp a b");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_what_changed), TEST(test_nothing_changed),
		TEST(test_read_where_times_do_not_tell), TEST(test_comparison), TEST(test_opaque),
		TEST(test_named_marks)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
