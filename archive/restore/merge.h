#ifndef ARCHIVE_MERGE_H
#define ARCHIVE_MERGE_H

#include "archive/restore/member_index.h"
#include "archive/tar/member.h"
#include "base/err.h"

/* What goes out of a tree when a layer is laid over it. */

/* Remove ${name} in ${dir_fd}, with all that is in it; it being gone already is success. */
int merge_remove(int dir_fd, const char *name, struct err *e);

/* Before the member ${path}, which is ${name} in ${dir_fd}, is put there: a folder is noted in
 * ${folders}, and for all else a folder makes room. */
int merge_member(struct member_index *folders, int dir_fd, const char *name, const char *path,
	enum member_type type, struct err *e);

/* ${path}, relative to ${root_fd}, hides what was in it: remove that, but for the noted folders. */
int merge_purge(const struct member_index *folders, int root_fd, const char *path, struct err *e);

#endif
