/* Goal: where a path of the host leads is found without following anything that somebody changes
 * meanwhile; folders and links are made where they are meant, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jobs/hostpath/hostpath.h"
#include "jobs/operations/inspect.h"
#include "tests/unit/trees.h"

static char top[64];
static int root_fd = -1;
static const char *swapped; /* the name that becomes a link right after it was made */

int
mkdirat(int dir, const char *name, mode_t mode)
{
	const int status = (int)syscall(SYS_mkdirat, dir, name, mode);

	if (status == 0 && swapped != NULL && strcmp(name, swapped) == 0) {
		(void)unlinkat(dir, name, AT_REMOVEDIR);
		if (symlinkat("/etc", dir, name) != 0)
			return -1;
	}
	return status;
}

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/var/tmp/fb-hostpath-XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chmod(top, 0755), 0);
	root_fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	swapped = NULL;
	(void)close(root_fd);
	tree_remove(top);
	return 0;
}

static void
make_folder(const char *path, mode_t mode)
{
	SCOPED(free_at) char *full = mem_format("%s%s", top, path);

	assert_int_equal(syscall(SYS_mkdirat, AT_FDCWD, full, 0700), 0);
	assert_int_equal(chmod(full, mode), 0);
}

static void
make_link(const char *path, const char *to)
{
	SCOPED(free_at) char *full = mem_format("%s%s", top, path);

	assert_int_equal(symlink(to, full), 0);
}

static void
find(const char *path, const char *real, size_t links, enum hostpath_type type)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	struct err e;

	if (hostpath_find(root_fd, path, &p, &e) != 0)
		fail_msg("%s: %s", path, e.text);
	assert_string_equal(p.real, real);
	assert_int_equal(json_array_size(p.links), links);
	assert_int_equal(p.type, type);
}

static void
test_links_are_followed_below_the_root_alone(void **state)
{
	(void)state;
	make_folder("/a", 0755);
	make_folder("/a/b", 0755);
	make_link("/live", "a/b");
	make_link("/again", "live");
	make_link("/absolute", "/a");
	make_link("/up", "../../../a");
	make_link("/a/b/back", "../../a");
	make_link("/gone", "a/nothing/at/all");
	find("/", "/", 0, HOSTPATH_FOLDER);
	find("/a/b", "/a/b", 0, HOSTPATH_FOLDER);
	find("//a/./b/", "/a/b", 0, HOSTPATH_FOLDER);
	find("/live", "/a/b", 1, HOSTPATH_FOLDER);
	find("/again", "/a/b", 2, HOSTPATH_FOLDER);
	find("/absolute/b", "/a/b", 1, HOSTPATH_FOLDER);
	find("/up/b", "/a/b", 1, HOSTPATH_FOLDER);
	find("/live/back/b/new", "/a/b/new", 2, HOSTPATH_MISSING);
	find("/gone/x", "/a/nothing/at/all/x", 1, HOSTPATH_MISSING);
}

static void
test_endless_links(void **state)
{
	SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
	struct err e;

	(void)state;
	make_link("/x", "y");
	make_link("/y", "x");
	assert_int_equal(hostpath_find(root_fd, "/x/z", &p, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
}

/* Which links are safe: those that none but root can change. */
static void
test_safe(void **state)
{
	static const struct {
		mode_t mode;
		uid_t owner;
		bool safe;
	} cases[] = {{0755, 0, true}, {0700, 0, true}, {0775, 0, false}, {01777, 0, false},
		{0755, 1000, false}};

	(void)state;
	make_folder("/f", 0755);
	make_folder("/t", 0755);
	make_link("/f/l", "../t");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		SCOPED(free_at) char *folder = mem_format("%s/f", top);
		SCOPED(hostpath_free) struct hostpath p = {.fd = -1};
		struct err e;

		assert_int_equal(chown(folder, cases[i].owner, 0), 0);
		assert_int_equal(chmod(folder, cases[i].mode), 0);
		assert_int_equal(hostpath_find(root_fd, "/f/l", &p, &e), 0);
		assert_int_equal(p.safe, cases[i].safe);
	}
}

static void
test_a_folder_is_made_as_it_was(void **state)
{
	SCOPED(json_decref_at)
	json_t *above = json_pack("[{s:i, s:i, s:i}, {s:i, s:i, s:i}]", "mode", 0755, "uid", 0,
		"gid", 0, "mode", 0700, "uid", 1000, "gid", 1001);
	SCOPED(free_at) char *first = mem_format("%s/one", top);
	SCOPED(free_at) char *second = mem_format("%s/one/two", top);
	struct stat st;
	struct err e;

	(void)state;
	assert_int_equal(hostpath_make(root_fd, "/one/two", above, &e), 0);
	assert_int_equal(stat(first, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(st.st_uid == 1000 && st.st_gid == 1001);
	assert_int_equal(stat(second, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(hostpath_make(root_fd, "/one/two", NULL, &e), 0); /* what is there stays */
	assert_int_equal(stat(first, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
test_a_folder_is_swapped_while_it_is_made(void **state)
{
	SCOPED(free_at) char *made = mem_format("%s/a/link", top);
	struct stat st;
	struct err e;

	(void)state;
	make_folder("/a", 0755);
	swapped = "link";
	assert_int_equal(hostpath_make(root_fd, "/a/link/fb-hostpath-test", NULL, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(lstat(made, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_not_equal(access("/etc/fb-hostpath-test", F_OK), 0);
}

static void
test_links_are_made_where_nothing_else_is(void **state)
{
	SCOPED(free_at) char *to = NULL;
	struct err e;

	(void)state;
	make_folder("/a", 0755);
	make_folder("/a/folder", 0755);
	make_link("/a/other", "x");
	make_link("/way", "a");
	assert_int_equal(hostpath_link(root_fd, "/a/new", "y", NULL, NULL, &e), 0);
	assert_int_equal(hostpath_readlink(root_fd, "/a/new", &to, &e), 1);
	assert_string_equal(to, "y");
	assert_int_equal(hostpath_link(root_fd, "/a/other", "y", "x", NULL, &e), 0);
	assert_int_equal(hostpath_link(root_fd, "/a/other", "z", "x", NULL, &e), -1);
	assert_int_equal(hostpath_link(root_fd, "/a/folder", "y", NULL, NULL, &e), -1);
	assert_int_equal(hostpath_link(root_fd, "/way/z", "y", NULL, NULL, &e), -1);
	assert_int_equal(hostpath_link(root_fd, "/a/new", NULL, "y", NULL, &e), 0);
	free(TAKE(to));
	assert_int_equal(hostpath_readlink(root_fd, "/a/new", &to, &e), 0);
	assert_int_equal(hostpath_readlink(root_fd, "/nowhere/new", &to, &e), 0);
	assert_int_equal(hostpath_readlink(root_fd, "/a/folder", &to, &e), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_links_are_followed_below_the_root_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_endless_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_safe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_folder_is_made_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_folder_is_swapped_while_it_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_links_are_made_where_nothing_else_is, setup, teardown),
	};

	if (geteuid() != 0)
		return 0; /* owners can be given by root alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
