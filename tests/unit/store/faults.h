#ifndef UNIT_STORE_FAULTS_H
#define UNIT_STORE_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "store/format/io.h"

/*
 * The store's table of system calls, counted, of which the n-th fails, comes short or ends the
 * process.  What a process ended by _exit has written stays: this is the service killed, not the
 * power cut off.
 */
enum fault {
	FAULT_ERROR,	/* returns -1 with ${number} */
	FAULT_ALWAYS,	/* the same from then on */
	FAULT_SHORT,	/* a read or write of one byte, then an EINTR */
	FAULT_DIE,	/* the process ends instead */
	FAULT_DIE_AFTER /* it ends behind the call, of which a write is only half done */
};

enum { FAULT_DIED = 77 };

struct faults {
	struct io io; /* for store_options */
	enum fault kind;
	int number;
	long calls; /* so far */
	long at;    /* the call to spoil, counted from 1; 0: none */
	bool hit;
	bool vital; /* and it was a call that nothing may go on without */
};

/* True if the call is to fail. */
static bool
fault_before(struct faults *f)
{
	f->calls++;
	if (f->at == 0 || f->calls < f->at || (f->calls > f->at && f->kind != FAULT_ALWAYS))
		return false;
	f->hit = true;
	if (f->kind == FAULT_DIE)
		_exit(FAULT_DIED);
	errno = f->number;
	return f->kind == FAULT_ERROR || f->kind == FAULT_ALWAYS;
}

static bool
fault_at(const struct faults *f, enum fault kind)
{
	return f->calls == f->at && f->kind == kind;
}

static void
fault_behind(const struct faults *f)
{
	if (fault_at(f, FAULT_DIE_AFTER))
		_exit(FAULT_DIED);
}

/* How much of ${len} is done; the call behind a short one is interrupted. */
static ssize_t
fault_len(struct faults *f, size_t len)
{
	if (fault_before(f))
		return -1;
	if (f->kind == FAULT_SHORT && f->hit && f->calls == f->at + 1) {
		errno = EINTR;
		return -1;
	}
	if (fault_at(f, FAULT_SHORT) && len > 1)
		return 1;
	return (ssize_t)(fault_at(f, FAULT_DIE_AFTER) ? len / 2 : len);
}

/* The next call is vital if it is the one. */
static void
fault_vital(struct faults *f)
{
	f->vital = f->vital || (f->at != 0 && f->calls + 1 == f->at);
}

static int
fault_openat(void *ctx, int dir, const char *path, int flags, mode_t mode)
{
	fault_vital(ctx);
	const int fd = fault_before(ctx) ? -1 : io_system.openat(NULL, dir, path, flags, mode);

	fault_behind(ctx);
	return fd;
}

static int
fault_mkdirat(void *ctx, int dir, const char *path, mode_t mode)
{
	fault_vital(ctx);
	const int result = fault_before(ctx) ? -1 : io_system.mkdirat(NULL, dir, path, mode);

	fault_behind(ctx);
	return result;
}

static ssize_t
fault_pread(void *ctx, int fd, void *data, size_t len, off_t offset)
{
	const ssize_t n = fault_len(ctx, len);
	const ssize_t got = n < 0 ? -1 : io_system.pread(NULL, fd, data, (size_t)n, offset);

	fault_behind(ctx);
	return got;
}

static ssize_t
fault_pwrite(void *ctx, int fd, const void *data, size_t len, off_t offset)
{
	fault_vital(ctx);
	const ssize_t n = fault_len(ctx, len);
	const ssize_t put = n < 0 ? -1 : io_system.pwrite(NULL, fd, data, (size_t)n, offset);

	fault_behind(ctx);
	return put;
}

static int
fault_sync_file_range(void *ctx, int fd, off_t offset, off_t len, unsigned flags)
{
	(void)ctx; /* a hint: neither a step nor a fault of its own */
	return io_system.sync_file_range(NULL, fd, offset, len, flags);
}

static int
fault_fdatasync(void *ctx, int fd)
{
	fault_vital(ctx);
	const int result = fault_before(ctx) ? -1 : io_system.fdatasync(NULL, fd);

	fault_behind(ctx);
	return result;
}

static int
fault_fsync(void *ctx, int fd)
{
	fault_vital(ctx);
	const int result = fault_before(ctx) ? -1 : io_system.fsync(NULL, fd);

	fault_behind(ctx);
	return result;
}

static int
fault_ftruncate(void *ctx, int fd, off_t len)
{
	const int result = fault_before(ctx) ? -1 : io_system.ftruncate(NULL, fd, len);

	fault_behind(ctx);
	return result;
}

static int
fault_fallocate(void *ctx, int fd, off_t offset, off_t len)
{
	const int result = fault_before(ctx) ? -1 : io_system.fallocate(NULL, fd, offset, len);

	fault_behind(ctx);
	return result;
}

static int
fault_unlinkat(void *ctx, int dir, const char *path, int flags)
{
	const int result = fault_before(ctx) ? -1 : io_system.unlinkat(NULL, dir, path, flags);

	fault_behind(ctx);
	return result;
}

static int
fault_linkat(void *ctx, int from, const char *path, int to, const char *name)
{
	const int result = fault_before(ctx) ? -1 : io_system.linkat(NULL, from, path, to, name);

	fault_behind(ctx);
	return result;
}

static int
fault_renameat(void *ctx, int from, const char *path, int to, const char *name)
{
	const int result = fault_before(ctx) ? -1 : io_system.renameat(NULL, from, path, to, name);

	fault_behind(ctx);
	return result;
}

static int
fault_fstat(void *ctx, int fd, struct stat *st)
{
	return fault_before(ctx) ? -1 : io_system.fstat(NULL, fd, st);
}

/* A descriptor is closed even if close says otherwise (close(2)). */
static int
fault_close(void *ctx, int fd)
{
	const bool fails = fault_before(ctx);
	const int result = io_system.close(NULL, fd);

	fault_behind(ctx);
	return fails ? -1 : result;
}

static void
faults_init(struct faults *f, enum fault kind, int number)
{
	*f = (struct faults){.kind = kind, .number = number};
	f->io = (struct io){
		.openat = fault_openat,
		.mkdirat = fault_mkdirat,
		.pread = fault_pread,
		.pwrite = fault_pwrite,
		.sync_file_range = fault_sync_file_range,
		.fdatasync = fault_fdatasync,
		.fsync = fault_fsync,
		.ftruncate = fault_ftruncate,
		.fallocate = fault_fallocate,
		.unlinkat = fault_unlinkat,
		.linkat = fault_linkat,
		.renameat = fault_renameat,
		.fstat = fault_fstat,
		.close = fault_close,
		.ctx = f,
	};
}

#endif
