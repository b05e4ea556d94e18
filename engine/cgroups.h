#ifndef ENGINE_CGROUPS_H
#define ENGINE_CGROUPS_H

#include <stddef.h>

#include "base/err.h"

/*
 * The freezers of containers' cgroups, below a folder that is the host's /sys/fs/cgroup: version 1
 * (freezer/…/freezer.state) or 2 (…/cgroup.freeze, with the container's events).  A container's
 * cgroup is the folder named by its id, or docker-ID.scope, libpod-ID.scope.  Not thread-safe.
 * Source: kernel.org, admin-guide/cgroup-v1/freezer-subsystem and admin-guide/cgroup-v2.
 */
struct cgroups;

/* ERR_UNSUPPORTED if ${base} holds neither version's freezer. */
int cgroups_open(const char *base, struct cgroups **ret_cgroups, struct err *e);
void cgroups_close(struct cgroups *c);

/**
 * cgroups_find(c, ids, count, e):
 * From now on ${ids} are meant.  Returns how many of them have a cgroup; -1 on error.
 * ${ret_missing}: the first that has none, borrowed from ${ids}, or NULL.
 */
int cgroups_find(struct cgroups *c, const char *const *ids, size_t count, const char **ret_missing,
	struct err *e);

/**
 * cgroups_freeze(c, e), cgroups_thaw(c, e):
 * All that were found; one whose cgroup has gone meanwhile stands still by itself.  Freezing waits
 * until the kernel says so, at most two seconds: ERR_TIMEOUT (some may be frozen then).
 */
int cgroups_freeze(struct cgroups *c, struct err *e);
int cgroups_thaw(struct cgroups *c, struct err *e);

#endif
