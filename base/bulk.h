#ifndef BASE_BULK_H
#define BASE_BULK_H

#include <stddef.h>
#include <stdint.h>

/**
 * write_all(fd, data, len, offset):
 * All ${len} bytes to ${offset}, as by pwrite.  Returns 0, or -1 with errno.  Thread-safe.
 */
int write_all(int fd, const void *data, size_t len, int64_t offset);

/**
 * bulk_write(fd, data, len, offset):
 * The same for much data that nobody reads soon.  From Linux
 * 6.16 on (RWF_DONTCACHE: ext4, XFS, btrfs) they are on their way to the disk at once and leave the
 * page cache when they are there, so that they drive out nothing that others read, and the kernel
 * need not find new memory for each of them.  In pieces of a MiB it costs least.
 */
int bulk_write(int fd, const void *data, size_t len, int64_t offset);

#endif
