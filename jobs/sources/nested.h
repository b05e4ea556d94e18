#ifndef JOBS_SOURCES_NESTED_H
#define JOBS_SOURCES_NESTED_H

#include <stddef.h>

#include "engine/lender/lender.h"
#include "jobs/sources/inventory.h"

/**
 * nested_add(l, in_container, v, ret_added, e):
 * Mounts of the host within ${v}'s binds and host paths, as lender ${l} (whose root i is source i)
 * sees them, become sources of their own: a disk or an export that is mounted below a folder is
 * part of what somebody sees there, but another file system, which a walk does not enter.  Not
 * those of the kernel's own and in memory, nor what is excluded, or belongs to this service or the
 * engine: of these the walk tells.  If any was added the lender is not ${v}'s any more.
 */
int nested_add(
	struct lender *l, bool in_container, struct inventory *v, size_t *ret_added, struct err *e);

/* Whether ${path}, of the archive, is the root of a source of its own. */
bool nested_is_source(const struct inventory *v, const char *path);

#endif
