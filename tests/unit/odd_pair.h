#ifndef UNIT_ODD_PAIR_H
#define UNIT_ODD_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/disk/attributes.h"
#include "base/mem.h"
#include "base/scope.h"

/* A tree and what came back of it, compared by descriptors: paths may be longer than a call takes.
 */
enum { ODD_TOLD_MAX = 512, ODD_INODES_MAX = 256 };

struct odd_pair {
	uint64_t seed;
	bool layer;
	char *told[ODD_TOLD_MAX]; /* archive paths that the writer told something of */
	size_t told_count;
	struct {
		ino_t from, to;
	} inodes[ODD_INODES_MAX];
	size_t inode_count;
	int entries; /* that were compared, in all */
};

#define ODD_PAIR __attribute__((unused)) static

static bool
is_told(const struct odd_pair *p, const char *path)
{
	for (size_t i = 0; i < p->told_count; i++)
		if (strcmp(p->told[i], path) == 0)
			return true;
	return false;
}

static void
differs(const struct odd_pair *p, const char *path, const char *what)
{
	fail_msg("seed %llu: %s: %s", (unsigned long long)p->seed, path, what);
}

/* Whether the format, or a system call, really cannot hold the entry: only then may it be missing.
 */
static bool
is_beyond(const struct odd_pair *p, int from, const char *name, const char *path,
	const struct stat *st)
{
	struct attributes a;
	struct place place;
	struct err e;
	bool readable;

	if (S_ISSOCK(st->st_mode) || (p->layer && strncmp(name, ".wh.", 4) == 0))
		return true;
	if (strlen(path) > MEMBER_PATH_MAX - 300)
		return true;
	attributes_init(&a);
	place_below(&place, from, name);
	readable = attributes_read(&a, &place, p->layer ? ATTRIBUTES_LAYER : 0, &e) == 0;
	attributes_free(&a);
	return S_ISREG(st->st_mode) && !readable;
}

static void
same_attributes(const struct odd_pair *p, int from, int to, const char *name, const char *path)
{
	struct attributes a, b;
	struct place place;
	struct err e;

	attributes_init(&a);
	attributes_init(&b);
	place_below(&place, from, name);
	if (attributes_read(&a, &place, p->layer ? ATTRIBUTES_LAYER : 0, &e) != 0) {
		if (!is_told(p, path))
			differs(p, path, "its attributes cannot be read, and nobody was told");
	} else {
		place_below(&place, to, name);
		if (attributes_read(&b, &place, p->layer ? ATTRIBUTES_LAYER : 0, &e) != 0)
			differs(p, path, e.text);
		if (!attributes_equal(
			    &a, &(struct member){.xattrs = b.xattrs, .xattr_count = b.count}))
			differs(p, path, "attributes");
	}
	attributes_free(&a);
	attributes_free(&b);
}

static void
same_bytes(const struct odd_pair *p, int from_dir, int to_dir, const char *name, const char *path)
{
	static char a[65536], b[65536];
	SCOPED(fd_close_at) int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	SCOPED(fd_close_at) int to = openat(to_dir, name, O_RDONLY | O_CLOEXEC);
	struct stat x, y;
	ssize_t got;

	assert_true(from >= 0 && to >= 0);
	while ((got = read(from, a, sizeof(a))) > 0)
		if (read(to, b, sizeof(b)) != got || memcmp(a, b, (size_t)got) != 0)
			differs(p, path, "content");
	assert_int_equal(fstat(from, &x) | fstat(to, &y), 0);
	if (x.st_size >= 65536 && y.st_blocks > x.st_blocks + 16)
		differs(p, path, "holes have been filled");
}

/* Names of one inode are names of one inode. */
static void
same_inode(struct odd_pair *p, const struct stat *from, const struct stat *to, const char *path)
{
	for (size_t i = 0; i < p->inode_count; i++) {
		if ((p->inodes[i].from == from->st_ino) != (p->inodes[i].to == to->st_ino))
			differs(p, path, "hard links");
		if (p->inodes[i].from == from->st_ino)
			return;
	}
	assert_true(p->inode_count < ODD_INODES_MAX);
	p->inodes[p->inode_count].from = from->st_ino;
	p->inodes[p->inode_count++].to = to->st_ino;
}

static void
same_looks(struct odd_pair *p, const struct stat *x, const struct stat *y, const char *path)
{
	if (x->st_mode != y->st_mode)
		differs(p, path, "type or mode");
	if (x->st_rdev != y->st_rdev)
		differs(p, path, "device");
	if (x->st_mtim.tv_sec != y->st_mtim.tv_sec || x->st_mtim.tv_nsec != y->st_mtim.tv_nsec)
		differs(p, path, "time");
	if (x->st_uid != y->st_uid || x->st_gid != y->st_gid)
		differs(p, path, "owner");
	if (!S_ISDIR(x->st_mode) && x->st_size != y->st_size)
		differs(p, path, "size");
	if (!S_ISDIR(x->st_mode))
		same_inode(p, x, y, path);
}

static void odd_same_folders(struct odd_pair *p, int from, int to, const char *path);

static void
same_below(struct odd_pair *p, int from_dir, int to_dir, const char *name, const char *path)
{
	SCOPED(fd_close_at)
	int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	SCOPED(fd_close_at)
	int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(from >= 0 && to >= 0);
	odd_same_folders(p, from, to, path);
}

ODD_PAIR void
odd_same_entry(struct odd_pair *p, int from, int to, const char *name, const char *path)
{
	char x_link[PATH_MAX] = "", y_link[PATH_MAX] = "";
	struct stat x, y;

	p->entries++;
	assert_int_equal(fstatat(from, name, &x, AT_SYMLINK_NOFOLLOW), 0);
	if (fstatat(to, name, &y, AT_SYMLINK_NOFOLLOW) != 0) {
		if (!is_told(p, path))
			differs(p, path, "is not there, and nobody was told");
		if (!is_beyond(p, from, name, path, &x))
			differs(p, path, "was left out without need");
		return;
	}
	/* A deletion is one whoever owns it: overlay looks at nothing else. */
	if (p->layer && S_ISCHR(x.st_mode) && x.st_rdev == 0 && S_ISCHR(y.st_mode) &&
		y.st_rdev == 0)
		return;
	same_looks(p, &x, &y, path);
	if (S_ISREG(x.st_mode))
		same_bytes(p, from, to, name, path);
	if (S_ISLNK(x.st_mode) &&
		(readlinkat(from, name, x_link, sizeof(x_link)) != x.st_size ||
			readlinkat(to, name, y_link, sizeof(y_link)) != x.st_size ||
			memcmp(x_link, y_link, (size_t)x.st_size) != 0))
		differs(p, path, "where the link leads to");
	same_attributes(p, from, to, name, path);
	if (S_ISDIR(x.st_mode) && strcmp(name, ".") != 0 && !is_told(p, path))
		same_below(p, from, to, name, path);
}

/* All that is in ${from} is in ${to}; and no more. */
ODD_PAIR void
odd_same_folders(struct odd_pair *p, int from, int to, const char *path)
{
	struct dirent **list = NULL;
	const int count = scandirat(from, ".", &list, NULL, alphasort);
	struct stat st;

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const char *name = list[i]->d_name;
		SCOPED(free_at) char *below = mem_format("%s/%s", path, name);

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			odd_same_entry(p, from, to, name, below);
		free(list[i]);
	}
	free(list);
	const int made = scandirat(to, ".", &list, NULL, NULL);

	for (int i = 0; i < made; i++) {
		if (fstatat(from, list[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			differs(p, list[i]->d_name, "is new");
		free(list[i]);
	}
	free(list);
}

#endif
