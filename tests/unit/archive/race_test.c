/* Goal: whoever may write to a folder that is restored into, and puts something else in the place
 * of what was just made there, changes nothing outside of it: no owner, mode, xattr, content. */
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
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/disk/beneath.h"
#include "archive/restore/extract.h"
#include "archive/restore/tree_swap.h"
#include "tests/unit/trees.h"

/* What is put into its place, the moment that it was made. */
enum swap {
	SWAP_NOT,
	SWAP_LINK_TO_FILE,
	SWAP_LINK_TO_FOLDER,
	SWAP_HARD_LINK,
	SWAP_FIFO,
	SWAP_DEVICE,
	SWAPS
};

static struct attacker {
	enum swap what;
	const char *name;
	int done;
} attacker;

static char top[64], root[80], victim[80], victim_folder[80];

/* The attacker's move comes right behind the call: no luck is needed. */
static void
strike(int dir, const char *name)
{
	if (attacker.what == SWAP_NOT || strcmp(name, attacker.name) != 0)
		return;
	attacker.done++;
	(void)unlinkat(dir, name, 0);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
	switch (attacker.what) {
	case SWAP_LINK_TO_FILE:
		(void)syscall(SYS_symlinkat, victim, dir, name);
		break;
	case SWAP_LINK_TO_FOLDER:
		(void)syscall(SYS_symlinkat, victim_folder, dir, name);
		break;
	case SWAP_HARD_LINK:
		(void)syscall(SYS_linkat, AT_FDCWD, victim, dir, name, 0);
		break;
	case SWAP_FIFO:
		(void)syscall(SYS_mknodat, dir, name, S_IFIFO | 0600, 0);
		break;
	case SWAP_DEVICE:
		(void)syscall(SYS_mknodat, dir, name, S_IFCHR | 0600, makedev(1, 8));
		break;
	case SWAP_NOT:
	case SWAPS:
		break;
	}
}

/* These stand before the C library's. */
int
mkdirat(int dir, const char *name, mode_t mode)
{
	const int status = (int)syscall(SYS_mkdirat, dir, name, mode);

	if (status == 0)
		strike(dir, name);
	return status;
}

int
symlinkat(const char *to, int dir, const char *name)
{
	const int status = (int)syscall(SYS_symlinkat, to, dir, name);

	if (status == 0)
		strike(dir, name);
	return status;
}

int
mknodat(int dir, const char *name, mode_t mode, dev_t device)
{
	const int status = (int)syscall(SYS_mknodat, dir, name, mode, device);

	if (status == 0)
		strike(dir, name);
	return status;
}

static int
setup(void **state)
{
	(void)state;
	(void)strcpy(top, "/var/tmp/fb-race-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(root, sizeof(root), "%s/root", top);
	(void)snprintf(victim, sizeof(victim), "%s/shadow", top);
	(void)snprintf(victim_folder, sizeof(victim_folder), "%s/etc", top);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(mkdir(victim_folder, 0700), 0);
	SCOPED(fd_close_at) int fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "secret\n", 7), 7);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	attacker.what = SWAP_NOT;
	tree_remove(top);
	return 0;
}

static void
unharmed(const char *what)
{
	char text[8] = "";
	struct stat st;

	assert_int_equal(lstat(victim, &st), 0);
	if ((st.st_mode & 07777) != 0600 || st.st_uid != 0 ||
		lgetxattr(victim, "user.a", text, 8) >= 0)
		fail_msg("%s: a file outside was changed: mode %o, owner %u", what,
			st.st_mode & 07777, st.st_uid);
	SCOPED(fd_close_at) int fd = open(victim, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 8), 7);
	assert_memory_equal(text, "secret\n", 7);
	assert_int_equal(lstat(victim_folder, &st), 0);
	if ((st.st_mode & 07777) != 0700 || st.st_uid != 0)
		fail_msg("%s: a folder outside was changed: mode %o", what, st.st_mode & 07777);
	SCOPED(dir_close_at) DIR *dir = opendir(victim_folder);
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			fail_msg("%s: %s was made outside", what, entry->d_name);
}

static struct member
entry(enum member_type type, const char *path)
{
	static struct member_xattr xattr = {.name = "user.a", .value = "1", .len = 1};
	const bool may_have = type == MEMBER_DIR;

	return (struct member){.type = type,
		.path = path,
		.link = "/nowhere",
		.mode = 06777,
		.uid = 1000,
		.gid = 1000,
		.mtime_ns = 1000000000,
		.major = 1,
		.minor = 3,
		.xattrs = may_have ? &xattr : NULL,
		.xattr_count = may_have};
}

static void
extract_one(enum member_type type, enum swap swap, const char *what)
{
	const struct extract_options options = {.prefix = "volumes/v", .sparse = true};
	const struct member folder = entry(MEMBER_DIR, "volumes/v/f"),
			    m = entry(type, "volumes/v/f/x");
	SCOPED(extract_close_at) struct extract *x = NULL;
	struct err e = {0};

	(void)setup(NULL);
	SCOPED(fd_close_at) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	attacker = (struct attacker){.what = SWAP_NOT, .name = "x"};
	assert_int_equal(extract_open(fd, &options, &x, &e), 0);
	assert_int_equal(extract_member(x, &folder, NULL, &e), 0);
	attacker.what = swap;
	if (extract_member(x, &m, NULL, &e) == 0 && extract_finish(x, &e) == 0 && swap == SWAP_NOT)
		return;
	assert_int_equal(attacker.done, swap != SWAP_NOT);
	unharmed(what);
	(void)teardown(NULL);
}

static void
test_what_is_made_is_swapped(void **state)
{
	static const enum member_type types[] = {
		MEMBER_DIR, MEMBER_SYMLINK, MEMBER_CHAR, MEMBER_BLOCK, MEMBER_FIFO};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		for (int swap = SWAP_LINK_TO_FILE; swap < SWAPS; swap++) {
			char what[64];

			(void)snprintf(what, sizeof(what), "type %d, swap %d", types[i], swap);
			extract_one(types[i], (enum swap)swap, what);
		}
}

/* The looks of a link are its own, not its target's. */
static void
test_a_link_gets_its_own_owner(void **state)
{
	const struct extract_options options = {.prefix = "volumes/v"};
	struct member m = entry(MEMBER_SYMLINK, "volumes/v/x");
	SCOPED(extract_close_at) struct extract *x = NULL;
	SCOPED(free_at) char *path = NULL;
	struct stat st;
	struct err e;

	(void)setup(state);
	m.link = victim;
	path = mem_format("%s/x", root);
	SCOPED(fd_close_at) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(extract_open(fd, &options, &x, &e), 0);
	if (extract_member(x, &m, NULL, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_mtim.tv_sec, 1);
	unharmed("the target of a link");
	(void)teardown(state);
}

/* Missing folders are made through no link. */
static void
test_mkdir_follows_no_link(void **state)
{
	SCOPED(free_at) char *way = NULL;

	(void)setup(state);
	way = mem_format("%s/way", root);
	assert_int_equal(symlink(victim_folder, way), 0);
	SCOPED(fd_close_at) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	beneath_make(fd, "way/new/deeper");
	unharmed("a link on the way");
	attacker = (struct attacker){.what = SWAP_LINK_TO_FOLDER, .name = "b"};
	beneath_make(fd, "a/b/c");
	assert_int_equal(attacker.done, 1);
	unharmed("a folder that became a link");
	beneath_make(fd, "p/q/r");
	SCOPED(fd_close_at) int made = beneath_open(fd, "p/q/r", O_PATH, BENEATH_ONE_MOUNT);
	assert_true(made >= 0);
	(void)teardown(state);
}

/* Nor is somebody's own folder of the same name taken for ours. */
static void
test_the_work_folder_is_ours(void **state)
{
	SCOPED(free_at) char *work = NULL;
	struct tree_swap *p = NULL;
	struct err e;

	(void)setup(state);
	work = mem_format("%s/.fuel-backup-X", root);
	SCOPED(fd_close_at) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlink(victim_folder, work), 0);
	assert_int_equal(tree_swap_open(fd, fd, "X", &p, &e), -1);
	unharmed("a link for the work folder");
	assert_int_equal(unlink(work), 0);
	assert_int_equal(mkdir(work, 0777), 0);
	assert_int_equal(chmod(work, 0777), 0);
	assert_int_equal(tree_swap_open(fd, fd, "X", &p, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(chmod(work, 0700), 0);
	assert_int_equal(chown(work, 1000, 1000), 0);
	assert_int_equal(tree_swap_open(fd, fd, "X", &p, &e), -1);
	assert_int_equal(chown(work, 0, 0), 0);
	assert_int_equal(tree_swap_open(fd, fd, "X", &p, &e), 0);
	tree_swap_close(p);
	(void)teardown(state);
}

/* What is no regular file is not opened, not even for a moment. */
static void
test_only_files_are_opened(void **state)
{
	SCOPED(free_at) char *fifo = NULL;

	(void)setup(state);
	fifo = mem_format("%s/fifo", root);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	SCOPED(fd_close_at) int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	SCOPED(fd_close_at) int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_int_equal(beneath_file(fd, "fifo", O_WRONLY | O_NONBLOCK), -1);
	assert_int_equal(errno, ESTALE);
	(void)teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_what_is_made_is_swapped, teardown),
		cmocka_unit_test_teardown(test_a_link_gets_its_own_owner, teardown),
		cmocka_unit_test_teardown(test_mkdir_follows_no_link, teardown),
		cmocka_unit_test_teardown(test_the_work_folder_is_ours, teardown),
		cmocka_unit_test_teardown(test_only_files_are_opened, teardown),
	};

	if (geteuid() != 0)
		return 0; /* owners can be given by root alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
