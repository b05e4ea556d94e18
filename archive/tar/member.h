#ifndef ARCHIVE_TAR_MEMBER_H
#define ARCHIVE_TAR_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

/* One member of a tar archive, as it is written and as it is read. */

enum member_type {
	MEMBER_FILE = '0',
	MEMBER_LINK = '1',
	MEMBER_SYMLINK = '2',
	MEMBER_CHAR = '3',
	MEMBER_BLOCK = '4',
	MEMBER_DIR = '5',
	MEMBER_FIFO = '6'
};

/* Nanoseconds since 1970 of any time that a file can have: 64 bits of them end in 2262, and "never"
 * of some programs comes later. */
__extension__ typedef __int128 member_time;

struct member_xattr {
	const char *name; /* with its name space: "user.x", "system.posix_acl_access" */
	const void *value;
	size_t len;
};

struct member_extent {
	int64_t offset;
	int64_t len;
};

/* All pointers are borrowed by whoever is handed a member. */
struct member {
	const char *path; /* bytes; no leading '/', no trailing '/', no empty, "." or ".." part */
	enum member_type type;
	mode_t mode; /* permission bits with set-id and sticky */
	uid_t uid;
	gid_t gid;
	int64_t size; /* of the content with its holes; 0 but for MEMBER_FILE */
	member_time mtime_ns;
	const char
		*link; /* MEMBER_LINK: archive path of its content; MEMBER_SYMLINK: as readlink */
	unsigned major, minor;
	const struct member_xattr *xattrs; /* sorted by name */
	size_t xattr_count;
	bool sparse; /* extents hold: everything outside them is a hole */
	const struct member_extent *extents;
	size_t extent_count;
};

enum {
	MEMBER_BLOCK_SIZE = 512,
	MEMBER_PATH_MAX = 64 * 1024,	/* bytes of a path or link */
	MEMBER_XATTRS_MAX = 1024 * 1024 /* bytes of all names and values */
};

/**
 * member_write_header(m, out, e):
 * Append the header of ${m} to ${out}: a pax extended header where ustar cannot hold it (and
 * always for the nanoseconds, unless they are 0), then the ustar header.  The same member always
 * gives the same bytes: keys sorted, no atime, ctime, names of users, pid.  A sparse file is GNU
 * sparse 1.0: the map, padded to a block, follows the header and is appended as well.
 * Names that are not UTF-8 set hdrcharset=BINARY.  An xattr's name has '%' and '=' as %25 and %3D.
 * Source: POSIX.1-2017 pax; GNU tar manual, "Sparse Formats".
 */
int member_write_header(const struct member *m, struct buf *out, struct err *e);

/* ${t} as that. */
member_time member_time_of(const struct timespec *t);

/* Zero bytes that follow ${size} bytes of content up to the next block. */
size_t member_padding(int64_t size);

/* Bytes of content that the archive holds for ${m}: its size, or the sum of its extents. */
int64_t member_stored_size(const struct member *m);

/* The end of an archive: two zero blocks. */
enum { MEMBER_END_SIZE = 2 * MEMBER_BLOCK_SIZE };

#endif
