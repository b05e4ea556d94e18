#ifndef ARCHIVE_DISK_LOOK_H
#define ARCHIVE_DISK_LOOK_H

#include "archive/disk/attributes.h"
#include "archive/tar/member.h"
#include "base/err.h"

/* What a folder or a regular file looks like: owner, mode, xattrs, mtime. */
struct look {
	struct attributes xattrs;
	struct member member; /* its path is NULL */
};

/* Of ${fd}, which is open for reading (of a folder O_PATH will do), with the attributes of ${flags}
 * (ATTRIBUTES_…); look_free it, also after an error. */
int look_at(struct look *l, int fd, int flags, struct err *e);

/* To ${fd}, which is open, and of the same type; ${flags} as of attributes_apply_all. */
int look_apply(const struct look *l, int fd, int flags, struct err *e);
void look_free(struct look *l); /* usable as SCOPED(look_free) on a zeroed one */

#endif
