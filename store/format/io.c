#include "store/format/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int
real_openat(void *ctx, int dir, const char *path, int flags, mode_t mode)
{
	(void)ctx;
	return openat(dir, path, flags, mode);
}

static int
real_mkdirat(void *ctx, int dir, const char *path, mode_t mode)
{
	(void)ctx;
	return mkdirat(dir, path, mode);
}

static ssize_t
real_pread(void *ctx, int fd, void *data, size_t len, off_t offset)
{
	(void)ctx;
	return pread(fd, data, len, offset);
}

static ssize_t
real_pwrite(void *ctx, int fd, const void *data, size_t len, off_t offset)
{
	(void)ctx;
	return pwrite(fd, data, len, offset);
}

static int
real_sync_file_range(void *ctx, int fd, off_t offset, off_t len, unsigned flags)
{
	(void)ctx;
	return sync_file_range(fd, offset, len, flags);
}

static int
real_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static int
real_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd);
}

static int
real_ftruncate(void *ctx, int fd, off_t len)
{
	(void)ctx;
	return ftruncate(fd, len);
}

static int
real_fallocate(void *ctx, int fd, off_t offset, off_t len)
{
	(void)ctx;
	return fallocate(fd, 0, offset, len);
}

static int
real_unlinkat(void *ctx, int dir, const char *path, int flags)
{
	(void)ctx;
	return unlinkat(dir, path, flags);
}

static int
real_linkat(void *ctx, int from, const char *path, int to, const char *name)
{
	(void)ctx;
	return linkat(from, path, to, name, 0);
}

static int
real_renameat(void *ctx, int from, const char *path, int to, const char *name)
{
	(void)ctx;
	return renameat(from, path, to, name);
}

static int
real_fstat(void *ctx, int fd, struct stat *st)
{
	(void)ctx;
	return fstat(fd, st);
}

static int
real_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

const struct io io_system = {
	.openat = real_openat,
	.mkdirat = real_mkdirat,
	.pread = real_pread,
	.pwrite = real_pwrite,
	.sync_file_range = real_sync_file_range,
	.fdatasync = real_fdatasync,
	.fsync = real_fsync,
	.ftruncate = real_ftruncate,
	.fallocate = real_fallocate,
	.unlinkat = real_unlinkat,
	.linkat = real_linkat,
	.renameat = real_renameat,
	.fstat = real_fstat,
	.close = real_close,
};

int
io_write_all(const struct io *io, int fd, const void *data, size_t len, off_t offset)
{
	const char *from = data;

	while (len > 0) {
		const ssize_t n = io->pwrite(io->ctx, fd, from, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		from += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

ssize_t
io_read_all(const struct io *io, int fd, void *data, size_t len, off_t offset)
{
	char *to = data;
	size_t done = 0;

	while (done < len) {
		const ssize_t n =
			io->pread(io->ctx, fd, to + done, len - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
