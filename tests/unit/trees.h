#ifndef UNIT_TREES_H
#define UNIT_TREES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"

/* Trees that tests make, and all that there is to see of one, as text. */
#define TREES __attribute__((unused)) static

/* ---- what it looks like ---- */

struct tree_listing {
	FILE *out;
	bool inodes; /* tell which inode it is, too */
	struct {
		ino_t inode;
		char *path;
	} links[256]; /* of inodes with several names: the first */
	size_t count;
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
list_xattrs(FILE *out, const char *path)
{
	char names[4096], value[4096], *list[64];
	const ssize_t len = llistxattr(path, names, sizeof(names));
	size_t count = 0;

	assert_true(len >= 0);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1)
		list[count++] = names + at;
	if (count > 1)
		qsort(list, count, sizeof(*list), by_text);
	for (size_t i = 0; i < count; i++) {
		const ssize_t got = lgetxattr(path, list[i], value, sizeof(value));

		(void)fprintf(out, " %s=", list[i]);
		for (ssize_t k = 0; k < got; k++)
			(void)fprintf(out, "%02x", (unsigned char)value[k]);
	}
}

static void
list_content(FILE *out, const char *path)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	unsigned char data[4096];
	ssize_t got;

	assert_true(fd >= 0);
	while ((got = read(fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < got; i++)
			hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	(void)fprintf(out, " #%016llx", (unsigned long long)hash);
}

static void
list_link(struct tree_listing *l, const struct stat *st, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->links[i].inode == st->st_ino) {
			(void)fprintf(l->out, " is %s", l->links[i].path);
			return;
		}
	assert_true(l->count < sizeof(l->links) / sizeof(*l->links));
	l->links[l->count].inode = st->st_ino;
	l->links[l->count++].path = mem_string(name);
}

static void
list_entry(struct tree_listing *l, const char *path, const char *name, const struct stat *st)
{
	char target[4096] = "";

	if (S_ISCHR(st->st_mode) && st->st_rdev == 0) { /* overlay looks at nothing else of it */
		(void)fprintf(l->out, "%s is deleted", name);
		if (l->inodes)
			(void)fprintf(l->out, " @%llu", (unsigned long long)st->st_ino);
		(void)fputc('\n', l->out);
		return;
	}
	(void)fprintf(l->out, "%s %o %u:%u %lld.%09ld", name[0] == '\0' ? "." : name, st->st_mode,
		st->st_uid, st->st_gid, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (!S_ISDIR(st->st_mode))
		(void)fprintf(l->out, " %lld %u,%u", (long long)st->st_size, major(st->st_rdev),
			minor(st->st_rdev));
	if (l->inodes)
		(void)fprintf(l->out, " @%llu", (unsigned long long)st->st_ino);
	if (S_ISLNK(st->st_mode) && readlink(path, target, sizeof(target) - 1) >= 0)
		(void)fprintf(l->out, " -> %s", target);
	if (S_ISREG(st->st_mode))
		list_content(l->out, path);
	list_xattrs(l->out, path);
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		list_link(l, st, name);
	(void)fputc('\n', l->out);
}

static void
list_below(struct tree_listing *l, const char *path, const char *name)
{
	struct dirent **list = NULL;
	struct stat st;

	if (lstat(path, &st) != 0)
		fail_msg("%s is not there", path);
	list_entry(l, path, name, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	const int count = scandir(path, &list, NULL, alphasort);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		const char *own = list[i]->d_name;
		SCOPED(free_at) char *below = mem_format("%s/%s", path, own);
		SCOPED(free_at)
		char *below_name = mem_format("%s%s%s", name, name[0] == '\0' ? "" : "/", own);

		if (strcmp(own, ".") != 0 && strcmp(own, "..") != 0 && !names_ours(own))
			list_below(l, below, below_name);
		free(list[i]);
	}
	free(list);
}

/* Names, types, modes, owners, times, attributes, content and links of all below ${path}, itself
 * too, and which inodes they are; but for folders that work of ours is done in.  The caller's. */
TREES char *
tree_list(const char *path, bool inodes)
{
	struct tree_listing l = {.inodes = inodes};
	char *text = NULL;
	size_t len;

	l.out = open_memstream(&text, &len);
	list_below(&l, path, "");
	for (size_t i = 0; i < l.count; i++)
		free(l.links[i].path);
	(void)fclose(l.out);
	return text;
}

/* Fail, telling ${what}, with the first line that differs. */
TREES void
tree_same(const char *wanted, const char *is, const char *what)
{
	size_t line = 0;

	if (strcmp(wanted, is) == 0)
		return;
	for (size_t i = 0; wanted[i] != '\0' && wanted[i] == is[i]; i++)
		line = wanted[i] == '\n' ? i + 1 : line;
	fail_msg("%s:\n\twanted %.*s\n\tis     %.*s", what, (int)strcspn(wanted + line, "\n"),
		wanted + line, (int)strcspn(is + line, "\n"), is + line);
}

/* ---- making one ---- */

struct tree_entry {
	const char *path; /* "" the root */
	char type; /* d, f, l(ink to data), h(ard link to data), p(ipe), c(har 1:3), w (0:0) */
	const char *data;
	mode_t mode;
	uid_t uid;
	int64_t mtime_s;
	const char *note; /* value of trusted.note, or NULL */
	bool acl;	  /* a folder with a default ACL */
};

static void
make_content(const char *path, const char *data)
{
	SCOPED(fd_close_at) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const size_t len = strlen(data);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
}

static void
make_node(const char *top, const char *path, const struct tree_entry *x)
{
	SCOPED(free_at) char *from = mem_format("%s/%s", top, x->data == NULL ? "" : x->data);

	if (x->type == 'd')
		(void)mkdir(path, 0700);
	else if (x->type == 'f')
		make_content(path, x->data);
	else if (x->type == 'l')
		assert_int_equal(symlink(x->data, path), 0);
	else if (x->type == 'h')
		assert_int_equal(link(from, path), 0);
	else if (x->type == 'p')
		assert_int_equal(mkfifo(path, 0600), 0);
	else
		assert_int_equal(
			mknod(path, S_IFCHR | 0600, x->type == 'c' ? makedev(1, 3) : 0), 0);
}

/* Give ${path} what ${x} says, but for its time.  What it has inherited goes. */
static void
dress_node(const char *path, const struct tree_entry *x)
{
	/* user::rwx user:99:rwx group::r-x mask::rwx other::---, see the kernel's posix_acl_xattr
	 */
	static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0,
		99, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
		0, 0, 255, 255, 255, 255};

	assert_int_equal(lchown(path, x->uid, x->uid), 0);
	(void)lremovexattr(path, "system.posix_acl_access");
	(void)lremovexattr(path, "system.posix_acl_default");
	if (x->note != NULL)
		assert_int_equal(lsetxattr(path, "trusted.note", x->note, strlen(x->note), 0), 0);
	if (x->acl)
		assert_int_equal(
			lsetxattr(path, "system.posix_acl_default", acl, sizeof(acl), 0), 0);
	if (x->type != 'l')
		assert_int_equal(chmod(path, x->mode), 0);
}

TREES void
tree_put(const char *top, const struct tree_entry *x)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, x->path);

	make_node(top, path, x);
	if (x->type != 'h')
		dress_node(path, x);
}

/* The time of a folder: once all is in it. */
TREES void
tree_time(const char *top, const struct tree_entry *x)
{
	SCOPED(free_at) char *path = mem_format("%s/%s", top, x->path);
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT}, {x->mtime_s, (long)(x->mtime_s % 999) * 1001001}};

	if (x->type != 'h')
		assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

TREES void
tree_make(const char *top, const struct tree_entry *list, size_t count)
{
	(void)mkdir(top, 0700);
	for (size_t i = 0; i < count; i++)
		tree_put(top, &list[i]);
	for (size_t i = count; i-- > 0;)
		tree_time(top, &list[i]);
}

/* ---- and removing it ---- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

TREES void
tree_remove(const char *top)
{
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_not_equal(access(top, F_OK), 0);
}

#endif
