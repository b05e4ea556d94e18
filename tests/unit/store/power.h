#ifndef UNIT_STORE_POWER_H
#define UNIT_STORE_POWER_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Notes every call that changes a file below a folder.  The C library's calls are replaced in this
 * program, so those of SQLite are among them.  What disks may come of it is in disks.h.
 */
enum { FDS = 1024, FILES = 256, CALLS = 20000, NAME = 160 };

enum kind { CALL_WRITE, CALL_CUT, CALL_SYNC, CALL_MAKE, CALL_REMOVE, CALL_SYNC_FOLDER, CALL_MARK };

/* One call.  ${file}: index of a file (what is opened under a name), not of a name. */
struct call {
	enum kind kind;
	int file;
	off_t at;
	size_t len;
	unsigned char *data;
	char name[NAME]; /* of an entry, or a folder, below the folder; "" is the folder itself */
};

static struct power {
	pthread_mutex_t mutex;
	char folder[PATH_MAX];
	bool on;
	struct call *calls;
	size_t count;
	int files;		 /* so far */
	char names[FILES][NAME]; /* the present names of files; "" for a removed one */
	int fds[FDS];		 /* file + 1; 0: none of ours */
	char folders[FDS][NAME]; /* of a folder's descriptor */
	bool is_folder[FDS];
} power = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The name below the folder, or NULL if it is none of ours or of no lasting use. */
static const char *
name_of(const char *path)
{
	const size_t len = strlen(power.folder);

	if (!power.on || strncmp(path, power.folder, len) != 0 ||
		(path[len] != '/' && path[len] != 0))
		return NULL;
	const char *name = path[len] == 0 ? "" : path + len + 1;
	const size_t name_len = strlen(name);
	if ((name_len >= 4 && strcmp(name + name_len - 4, "-shm") == 0) || name_len >= NAME)
		return NULL;
	return name;
}

/* The path of ${path} as seen from ${dir}. */
static void
path_of(int dir, const char *path, char full[PATH_MAX])
{
	char link[64];
	ssize_t n = 0;

	full[0] = '\0';
	if (path[0] != '/' && dir != AT_FDCWD) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = readlink(link, full, PATH_MAX - NAME - 2);
		full[n < 0 ? 0 : n] = '\0';
		(void)strcat(full, "/");
	}
	(void)strncat(full, path, NAME);
}

static struct call *
note(enum kind kind, int file, const char *name)
{
	struct call *c = &power.calls[power.count];

	if (power.count == CALLS)
		abort();
	power.count++;
	*c = (struct call){.kind = kind, .file = file};
	(void)snprintf(c->name, NAME, "%s", name);
	return c;
}

static int
file_find(const char *name)
{
	for (int i = power.files - 1; i >= 0; i--) {
		if (strcmp(power.names[i], name) == 0)
			return i;
	}
	return -1;
}

static int
file_add(const char *name)
{
	if (power.files == FILES)
		abort();
	(void)snprintf(power.names[power.files], NAME, "%s", name);
	return power.files++;
}

static void
opened(int fd, const char *path, bool made)
{
	struct stat st;

	(void)pthread_mutex_lock(&power.mutex);
	const char *name = name_of(path);
	if (name != NULL && fd >= 0 && fd < FDS && fstat(fd, &st) == 0) {
		power.is_folder[fd] = S_ISDIR(st.st_mode);
		power.fds[fd] = 0;
		if (power.is_folder[fd]) {
			(void)snprintf(power.folders[fd], NAME, "%s", name);
		} else {
			int file = made ? -1 : file_find(name);
			if (file < 0)
				file = file_add(name);
			power.fds[fd] = file + 1;
			if (made)
				(void)note(CALL_MAKE, file, name);
		}
	}
	(void)pthread_mutex_unlock(&power.mutex);
}

static int
do_open(int dir, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	struct stat st;

	if (!power.on)
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	path_of(dir, path, full);
	const bool there = stat(full, &st) == 0;
	const int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= 0)
		opened(fd, full, (flags & O_CREAT) != 0 && !there);
	return fd;
}

static mode_t
mode_of(int flags, va_list *args)
{
	return (flags & O_CREAT) != 0 ? va_arg(*args, mode_t) : 0;
}

#define OPEN_BODY(dir, last)                                                                       \
	va_list args;                                                                              \
	va_start(args, last);                                                                      \
	const mode_t mode = mode_of(flags, &args);                                                 \
	va_end(args);                                                                              \
	return do_open(dir, path, flags, mode)

int
open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD, flags);
}

int
openat(int dir, const char *path, int flags, ...)
{
	OPEN_BODY(dir, flags);
}

static void
wrote(int fd, enum kind kind, const void *data, size_t len, off_t at)
{
	(void)pthread_mutex_lock(&power.mutex);
	if (power.on && fd >= 0 && fd < FDS && power.fds[fd] > 0) {
		struct call *c = note(kind, power.fds[fd] - 1, "");
		c->at = at;
		c->len = len;
		if (len > 0) {
			c->data = malloc(len);
			if (c->data == NULL)
				abort();
			memcpy(c->data, data, len);
		}
	}
	(void)pthread_mutex_unlock(&power.mutex);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t at)
{
	const ssize_t n = syscall(SYS_pwrite64, fd, data, len, at);

	if (n > 0)
		wrote(fd, CALL_WRITE, data, (size_t)n, at);
	return n;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

int
ftruncate64(int fd, off_t len)
{
	const int result = (int)syscall(SYS_ftruncate, fd, len);

	if (result == 0)
		wrote(fd, CALL_CUT, NULL, 0, len);
	return result;
}

int
ftruncate(int fd, off_t len)
{
	return ftruncate64(fd, len);
}

static int
synced(int fd, long call)
{
	const int result = (int)syscall(call, fd);

	(void)pthread_mutex_lock(&power.mutex);
	if (result == 0 && power.on && fd < FDS) {
		if (power.fds[fd] > 0)
			(void)note(CALL_SYNC, power.fds[fd] - 1, "");
		else if (power.is_folder[fd])
			(void)note(CALL_SYNC_FOLDER, -1, power.folders[fd]);
	}
	(void)pthread_mutex_unlock(&power.mutex);
	return result;
}

int
fsync(int fd)
{
	return synced(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return synced(fd, SYS_fdatasync);
}

int
close(int fd)
{
	(void)pthread_mutex_lock(&power.mutex);
	if (fd >= 0 && fd < FDS) {
		power.fds[fd] = 0;
		power.is_folder[fd] = false;
	}
	(void)pthread_mutex_unlock(&power.mutex);
	return (int)syscall(SYS_close, fd);
}

int
unlinkat(int dir, const char *path, int flags)
{
	char full[PATH_MAX];

	const int result = (int)syscall(SYS_unlinkat, dir, path, flags);
	if (result != 0 || !power.on)
		return result;
	path_of(dir, path, full);
	(void)pthread_mutex_lock(&power.mutex);
	const char *name = name_of(full);
	if (name != NULL) {
		const int file = file_find(name);
		(void)note(CALL_REMOVE, file, name);
		if (file >= 0)
			power.names[file][0] = '\0';
	}
	(void)pthread_mutex_unlock(&power.mutex);
	return result;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	char full[PATH_MAX];

	const int result = (int)syscall(SYS_mkdirat, dir, path, mode);
	if (result != 0 || !power.on)
		return result;
	path_of(dir, path, full);
	(void)pthread_mutex_lock(&power.mutex);
	const char *name = name_of(full);
	if (name != NULL)
		(void)note(CALL_MAKE, -1, name);
	(void)pthread_mutex_unlock(&power.mutex);
	return result;
}

/* Note all changes below ${folder} from now on. */
static void
power_start(const char *folder)
{
	(void)snprintf(power.folder, sizeof(power.folder), "%s", folder);
	power.calls = calloc(CALLS, sizeof(*power.calls));
	if (power.calls == NULL)
		abort();
	power.on = true;
}

/* Note that ${what} has happened. */
static void
power_mark(int what)
{
	(void)pthread_mutex_lock(&power.mutex);
	(void)note(CALL_MARK, what, "");
	(void)pthread_mutex_unlock(&power.mutex);
}

static void
power_stop(void)
{
	power.on = false;
}

#endif
