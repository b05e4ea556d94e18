#include "base/bulk.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080
#endif

static int flags;

/* 6.14 and 6.15 have the flag, and races with pages that are written to again. */
static void
bulk_choose(void)
{
	struct utsname name;
	unsigned major, minor;

	if (uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
		(major > 6 || (major == 6 && minor >= 16)))
		flags = RWF_DONTCACHE;
}

/* Not every file system can, nor every sandbox; then they say so before they write. */
static ssize_t
write_some(int fd, const void *data, size_t len, int64_t offset, int with)
{
	const struct iovec piece = {(void *)(uintptr_t)data, len};
	ssize_t done = -1;

	if (with != 0)
		done = pwritev2(fd, &piece, 1, offset, with);
	return done >= 0 || (with != 0 && errno == EINTR) ? done : pwrite(fd, data, len, offset);
}

static int
write_with(int fd, const void *data, size_t len, int64_t offset, int with)
{
	const char *from = data;

	while (len > 0) {
		const ssize_t done = write_some(fd, from, len, offset, with);

		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			from += done;
			offset += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

int
write_all(int fd, const void *data, size_t len, int64_t offset)
{
	return write_with(fd, data, len, offset, 0);
}

int
bulk_write(int fd, const void *data, size_t len, int64_t offset)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, bulk_choose);
	return write_with(fd, data, len, offset, flags);
}
