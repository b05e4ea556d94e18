#ifndef STORE_FORMAT_IO_H
#define STORE_FORMAT_IO_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Every system call by which the store changes or reads its files goes through one table, so that
 * a test can make the n-th one fail.  Semantics are those of the calls they are named after.
 */
struct io {
	int (*openat)(void *ctx, int dir, const char *path, int flags, mode_t mode);
	int (*mkdirat)(void *ctx, int dir, const char *path, mode_t mode);
	ssize_t (*pread)(void *ctx, int fd, void *data, size_t len, off_t offset);
	ssize_t (*pwrite)(void *ctx, int fd, const void *data, size_t len, off_t offset);
	int (*sync_file_range)(void *ctx, int fd, off_t offset, off_t len, unsigned flags);
	int (*fdatasync)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd);
	int (*ftruncate)(void *ctx, int fd, off_t len);
	int (*fallocate)(void *ctx, int fd, off_t offset, off_t len);
	int (*unlinkat)(void *ctx, int dir, const char *path, int flags);
	int (*linkat)(void *ctx, int from, const char *path, int to, const char *name);
	int (*renameat)(void *ctx, int from, const char *path, int to, const char *name);
	int (*fstat)(void *ctx, int fd, struct stat *st);
	int (*close)(void *ctx, int fd);
	void *ctx;
};

/* The real calls. */
extern const struct io io_system;

/**
 * io_write_all(io, fd, data, len, offset), io_read_all(io, fd, data, len, offset):
 * All ${len} bytes, through short counts and EINTR.  Reading ends early at the end of the file.
 * Return 0, or the count read; -1 with errno.
 */
int io_write_all(const struct io *io, int fd, const void *data, size_t len, off_t offset);
ssize_t io_read_all(const struct io *io, int fd, void *data, size_t len, off_t offset);

#endif
