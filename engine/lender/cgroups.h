#ifndef ENGINE_LENDER_CGROUPS_H
#define ENGINE_LENDER_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * The freezers of containers' cgroups, below a folder that is the host's /sys/fs/cgroup: version 1
 * (freezer/…/freezer.state) or 2 (…/cgroup.freeze, with the container's cgroup.events).  A
 * container's cgroup is the folder that is named by its id, with or without what engines put before
 * it (docker-, libpod-) and .scope behind it.
 *
 * Their files stay open, so that a freezer is read and written by one system call, in this process
 * or in another one that was lent the descriptors.  Finding and adopting is not thread-safe;
 * reading and writing is. Source: kernel.org, admin-guide/cgroup-v1/freezer-subsystem and
 * admin-guide/cgroup-v2.
 */
struct cgroups;

/* The descriptors of one freezer: to be written, and to be read.  In version 1 both are one file.
 */
enum { CGROUP_WRITE, CGROUP_READ, CGROUP_FDS };

/* FREEZING: some of its processes still run.  GONE: it had one, and has ended.  UNKNOWN: there was
 * none, or it cannot be read. */
enum cgroup_state { CGROUP_RUNS, CGROUP_FREEZING, CGROUP_FROZEN, CGROUP_GONE, CGROUP_UNKNOWN };

/* ERR_UNSUPPORTED if ${base} holds neither version's freezer. */
int cgroups_open(const char *base, struct cgroups **ret_cgroups, struct err *e);

/* For ${count} freezers that somebody else opened, in that version; none is there yet. */
struct cgroups *cgroups_new(bool unified, size_t count);

/* Freezer ${i} is that of these descriptors; takes them. */
void cgroups_adopt(struct cgroups *c, size_t i, const int fds[CGROUP_FDS]);

void cgroups_close(struct cgroups *c);

/**
 * cgroups_find(c, ids, count, e):
 * From now on the containers ${ids} are meant, in this order.  Returns how many of them have a
 * freezer that can be written, or -1 on error.
 */
int cgroups_find(struct cgroups *c, const char *const *ids, size_t count, struct err *e);

bool cgroups_unified(const struct cgroups *c);
bool cgroups_has(const struct cgroups *c, size_t i);
const int *cgroups_fds(const struct cgroups *c, size_t i); /* CGROUP_FDS of them, borrowed */

enum cgroup_state cgroups_state(const struct cgroups *c, size_t i);

/* Whether the switch itself is on: 1, 0, -1 if it is gone or not known.  (A process that enters a
 * frozen cgroup runs for a moment.) */
int cgroups_is_set(const struct cgroups *c, size_t i);

/* Write the switch of freezer ${i}; does not wait.  One that has gone is success. */
int cgroups_set(const struct cgroups *c, size_t i, bool frozen, struct err *e);

/**
 * cgroups_await(c, i, wait_ms, again, ctx, e):
 * Wait until freezer ${i}, which was set, stands still or is gone.  ERR_TIMEOUT after ${wait_ms}.
 * Version 1 forgets processes that were forked just then: ${again} writes the switch once more, and
 * says 1; or 0: it is not wanted any more, and not waited for; or -1.
 */
typedef int cgroups_again(void *ctx, struct err *e);
int cgroups_await(const struct cgroups *c, size_t i, int wait_ms, cgroups_again *again, void *ctx,
	struct err *e);

#endif
