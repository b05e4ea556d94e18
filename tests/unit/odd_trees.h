#ifndef UNIT_ODD_TREES_H
#define UNIT_ODD_TREES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"

/*
 * Trees of what a file system can hold and nobody expects, out of a seed.  All by descriptors:
 * paths may be longer than a call takes.  What the file system refuses (an attribute, a time) is
 * not there.
 */
struct odd_tree {
	uint64_t random;
	bool layer;
	int budget; /* entries that may still be made */
	struct {
		int dir_fd; /* a copy */
		char name[NAME_MAX + 1];
	} made[64]; /* what a hard link may lead to */
	size_t made_count;
};

#define ODD __attribute__((unused)) static

/* What the file system refuses is not there. */
ODD void
odd_try(int result)
{
	(void)result;
}

/* Source: SplitMix64. */
ODD uint64_t
odd_draw(struct odd_tree *t, uint64_t below)
{
	uint64_t x = t->random += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % below;
}

static void
odd_bytes(struct odd_tree *t, char *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		do
			to[i] = (char)(1 + odd_draw(t, 255));
		while (to[i] == '/');
	to[len] = '\0';
}

static void
odd_name(struct odd_tree *t, char *name)
{
	static const char *const names[] = {"a", "a.b", "a b", "-rf", "--", " ", "\n", "new\nline",
		"caf\351", "\303\251", "e\314\201", ".wh.a", ".wh..wh..opq", ".wh.", "...", "\\",
		"a=b", "50%", "%s%n", "\177", "\033[2J", "a\\n", "PaxHeader", "./", "\xff\xfe", "~",
		"*", "lost+found", ".fuel-backup", "\"", "'", "$(reboot)", "C:", "ibdata1",
		"x.sqlite", "x.db", "x.qcow2", "data.mdb", "nul", "a\t", "\r"};
	static const size_t lengths[] = {
		1, 2, 99, 100, 101, 154, 155, 156, 250, 251, 252, 254, 255};
	const uint64_t how = odd_draw(t, 8);

	if (how < 4) {
		const char *one = names[odd_draw(t, sizeof(names) / sizeof(*names))];

		(void)snprintf(name, NAME_MAX + 1, "%s", strchr(one, '/') == NULL ? one : "slash");
	} else if (how < 6) {
		odd_bytes(t, name, lengths[odd_draw(t, sizeof(lengths) / sizeof(*lengths))]);
	} else if (how == 6) {
		const size_t len = lengths[odd_draw(t, sizeof(lengths) / sizeof(*lengths))];

		memset(name, 'x', len);
		name[len] = '\0';
	} else {
		odd_bytes(t, name, 1 + odd_draw(t, 12));
	}
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		(void)strcpy(name, "dot");
}

/* ---- what an entry looks like ---- */

static void
odd_attribute(struct odd_tree *t, const char *path)
{
	static const char *const names[] = {"user.a", "user.", "user.a=b", "user.50%",
		"user.caf\351", "user.new\nline", "user.%3D", "trusted.note",
		"trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.origin",
		"security.note", "user.mime type", "user.SCHILY.xattr.x"};
	static const size_t lengths[] = {0, 1, 5, 500, 511, 512, 513, 4000, 65535};
	static const unsigned char capability[] = {
		1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static char value[65536];
	const size_t len = lengths[odd_draw(t, sizeof(lengths) / sizeof(*lengths))];

	if (odd_draw(t, 6) == 0) {
		odd_try(lsetxattr(path, "security.capability", capability, sizeof(capability), 0));
		return;
	}
	for (size_t i = 0; i < len; i += 61)
		value[i] = (char)odd_draw(t, 256);
	odd_try(lsetxattr(path, names[odd_draw(t, sizeof(names) / sizeof(*names))], value, len, 0));
}

/* Up to more than a list can tell of, or the format can hold. */
static void
odd_many_attributes(struct odd_tree *t, const char *path)
{
	static const char value[60000];
	const size_t len = odd_draw(t, 2) == 0 ? 0 : sizeof(value);
	const size_t count = len == 0 ? 100 + odd_draw(t, 900) : 1 + odd_draw(t, 20);
	char name[128];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "user.%0100zu", i);
		odd_try(lsetxattr(path, name, value, len, 0));
	}
}

static void
odd_acl(struct odd_tree *t, const char *path)
{
	/* user::rwx user:99:rwx group::r-x mask::rwx other::---, see the kernel's posix_acl_xattr
	 */
	static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0,
		99, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
		0, 0, 255, 255, 255, 255};
	static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default"};

	odd_try(lsetxattr(path, names[odd_draw(t, 2)], acl, sizeof(acl), 0));
}

static void
odd_time(struct odd_tree *t, const char *path)
{
	static const int64_t seconds[] = {0, -1, 1, -14182940, 1700000000, 9223372036, -9223372036,
		9223372037, 253402300799, 8589934591, 8589934592, INT32_MAX, INT32_MIN, -2147483649,
		INT64_C(1) << 40, -(INT64_C(1) << 40), INT64_MAX, INT64_MIN, INT64_MAX / 2};
	static const long parts[] = {0, 1, 999999999, 500000000, 123456789, 100};
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
		{seconds[odd_draw(t, sizeof(seconds) / sizeof(*seconds))],
			parts[odd_draw(t, sizeof(parts) / sizeof(*parts))]}};

	odd_try(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

ODD void
odd_dress(struct odd_tree *t, int dir_fd, const char *name)
{
	static const mode_t modes[] = {0, 0644, 0755, 04755, 02755, 06777, 01777, 07777, 0111};
	static const uid_t ids[] = {0, 1, 65534, 2097151, 2097152, 3000000, INT32_MAX, 4294967294};
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	assert_int_equal(lstat(path, &st), 0);
	if (odd_draw(t, 3) == 0)
		odd_try(lchown(path, ids[odd_draw(t, 8)], ids[odd_draw(t, 8)]));
	if (!S_ISLNK(st.st_mode) && odd_draw(t, 2) == 0)
		odd_try(chmod(path, modes[odd_draw(t, sizeof(modes) / sizeof(*modes))]));
	for (uint64_t i = odd_draw(t, 8); i >= 5; i--)
		odd_attribute(t, path);
	if (odd_draw(t, 150) == 0)
		odd_many_attributes(t, path);
	if (odd_draw(t, 10) == 0)
		odd_acl(t, path);
	if (odd_draw(t, 2) == 0)
		odd_time(t, path);
}

/* ---- entries ---- */

ODD void
odd_content(struct odd_tree *t, int fd)
{
	static const int64_t sizes[] = {0, 1, 511, 512, 513, 4095, 4096, 65535, 65536, 65537,
		131072, 262144, 1048575, 1048576, 1048577};
	static const char *const heads[] = {"", "SQLite format 3", "QFI\xfb", "\x1f\x8b", "ustar"};
	static unsigned char piece[4096];
	int64_t size = sizes[odd_draw(t, odd_draw(t, 4) == 0 ? 15 : 9)];
	const uint64_t holes = odd_draw(t, 5); /* 0: sparse; else written throughout */
	const char *head = heads[odd_draw(t, 5)];

	for (size_t i = 0; i < sizeof(piece); i += 8)
		memcpy(piece + i, &(uint64_t){odd_draw(t, UINT64_MAX)}, 8);
	if (holes == 0)
		size = size * (int64_t)(1 + odd_draw(t, 3)) + (int64_t)odd_draw(t, 2) * 100000;
	assert_int_equal(ftruncate(fd, size), 0);
	for (int64_t at = 0; at < size; at += (int64_t)sizeof(piece)) {
		const int64_t left = size - at;
		const size_t len = left < (int64_t)sizeof(piece) ? (size_t)left : sizeof(piece);

		if (holes != 0 || odd_draw(t, 4) == 0)
			assert_int_equal(pwrite(fd, piece, len, at), len);
	}
	if (size > (int64_t)strlen(head) && head[0] != '\0')
		assert_int_equal(pwrite(fd, head, strlen(head), 0), strlen(head));
}

static void
odd_file(struct odd_tree *t, int dir_fd, const char *name)
{
	SCOPED(fd_close_at)
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	odd_content(t, fd);
}

static void
odd_symlink(struct odd_tree *t, int dir_fd, const char *name)
{
	static const size_t lengths[] = {1, 2, 99, 100, 101, 255, 256, 1000, 4000, 4095};
	char target[PATH_MAX];

	odd_bytes(t, target, lengths[odd_draw(t, sizeof(lengths) / sizeof(*lengths))]);
	if (odd_draw(t, 3) == 0)
		(void)snprintf(target, sizeof(target), "%s",
			odd_draw(t, 2) == 0 ? "/etc/passwd" : "../..");
	odd_try(symlinkat(target, dir_fd, name));
}

static void
odd_socket(int dir_fd, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED(fd_close_at) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/s", dir_fd);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		odd_try(renameat(dir_fd, "s", dir_fd, name));
}

static void
odd_device(struct odd_tree *t, int dir_fd, const char *name)
{
	static const unsigned numbers[] = {0, 1, 7, 255, 256, 4095, 1048575};
	const dev_t device = makedev(numbers[odd_draw(t, 6)], numbers[odd_draw(t, 7)]);
	const mode_t type = odd_draw(t, 3) == 0 ? S_IFBLK : S_IFCHR;

	odd_try(mknodat(dir_fd, name, type | 0600, odd_draw(t, 3) == 0 ? 0 : device));
}

static void
odd_link(struct odd_tree *t, int dir_fd, const char *name)
{
	const size_t i = odd_draw(t, t->made_count + 1);

	if (i < t->made_count)
		odd_try(linkat(t->made[i].dir_fd, t->made[i].name, dir_fd, name, 0));
}

static void
odd_remember(struct odd_tree *t, int dir_fd, const char *name)
{
	if (t->made_count == sizeof(t->made) / sizeof(*t->made))
		return;
	t->made[t->made_count].dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	(void)strcpy(t->made[t->made_count++].name, name);
}

static void odd_below(struct odd_tree *t, int dir_fd, int depth);

static void
odd_folder(struct odd_tree *t, int dir_fd, const char *name, int depth)
{
	assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
	SCOPED(fd_close_at)
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	odd_below(t, fd, depth);
}

static void
odd_entry(struct odd_tree *t, int dir_fd, int depth)
{
	char name[NAME_MAX + 1];
	struct stat st;
	const uint64_t kind = odd_draw(t, 24);

	odd_name(t, name);
	if (t->budget-- <= 0 || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	if (kind < 6)
		odd_file(t, dir_fd, name);
	else if (kind < 13)
		odd_folder(t, dir_fd, name, depth + 1);
	else if (kind < 15)
		odd_symlink(t, dir_fd, name);
	else if (kind < 16)
		odd_try(mkfifoat(dir_fd, name, 0600));
	else if (kind < 17)
		odd_socket(dir_fd, name);
	else if (kind < 20)
		odd_device(t, dir_fd, name);
	else
		odd_link(t, dir_fd, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	odd_dress(t, dir_fd, name);
	if (!S_ISDIR(st.st_mode))
		odd_remember(t, dir_fd, name);
}

static void
odd_below(struct odd_tree *t, int dir_fd, int depth)
{
	for (uint64_t i = odd_draw(t, depth == 0 ? 9 : 5); i > 0; i--)
		odd_entry(t, dir_fd, depth);
}

/* Folders with long names in each other: below them a path is longer than a call takes. */
static void
odd_deep(struct odd_tree *t, int dir_fd)
{
	SCOPED(fd_close_at) int at = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	char name[NAME_MAX + 1];

	memset(name, 'd', NAME_MAX);
	name[NAME_MAX] = '\0';
	for (uint64_t i = 10 + odd_draw(t, odd_draw(t, 4) == 0 ? 300 : 15); i > 0; i--) {
		name[odd_draw(t, 9) == 0 ? 5 : NAME_MAX - 1 - odd_draw(t, 3)] = 'e';
		odd_try(mkdirat(at, name, 0755));
		const int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(next >= 0);
		(void)close(at);
		at = next;
	}
	odd_below(t, at, 1);
}

/* Fill the empty folder ${dir_fd}. */
ODD void
odd_make(struct odd_tree *t, int dir_fd)
{
	t->budget = 40;
	odd_below(t, dir_fd, 0);
	if (odd_draw(t, 12) == 0)
		odd_deep(t, dir_fd);
	odd_dress(t, dir_fd, ".");
	while (t->made_count > 0)
		(void)close(t->made[--t->made_count].dir_fd);
}

/* All that is in it goes. */
ODD void
odd_clear(int dir_fd)
{
	const int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	const struct dirent *x;

	assert_non_null(dir);
	while ((x = readdir(dir)) != NULL) {
		if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, x->d_name, 0) == 0)
			continue;
		SCOPED(fd_close_at)
		int below = openat(fd, x->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		assert_true(below >= 0);
		odd_clear(below);
		assert_int_equal(unlinkat(fd, x->d_name, AT_REMOVEDIR), 0);
	}
	(void)closedir(dir);
}

#endif
