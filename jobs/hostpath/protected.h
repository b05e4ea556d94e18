#ifndef JOBS_HOSTPATH_PROTECTED_H
#define JOBS_HOSTPATH_PROTECTED_H

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"
#include "jobs/hostpath/hostpath.h"

/*
 * The places of the host that nothing is ever written to, whoever asks for it: this service's store
 * and mounts, the data of the engine and of containerd, and the kernel's own file systems.  One
 * list, and one check, by (dev, ino): what a path is called does not matter.
 */
struct protected;

/* A backup reads what else is mounted into this service, a restore does not write to it. */
enum protected_for { PROTECTED_FROM_READING, PROTECTED_FROM_WRITING };

/**
 * protected_new(g, self, store_path, root_fd, what, ret_protected, e):
 * As the host is now.  ${store_path}: as this process sees it.  ${root_fd}: of the host
 * (hostpath.h), borrowed for this call.
 */
int protected_new(struct engine *g, const struct self *self, const char *store_path, int root_fd,
	enum protected_for what, struct protected **ret_protected, struct err *e);
void protected_free(struct protected *x);
void protected_free_at(struct protected **x);

/**
 * protected_check(x, p, volume, e):
 * ERR_CONFLICT if ${p} is one of them or lies in one.  ${volume}: the engine made it, so that it
 * lies in the engine's data by nature.
 */
int protected_check(
	const struct protected *x, const struct hostpath *p, bool volume, struct err *e);

/* Whether ${p} is, or lies in, what is mounted into this service for another purpose than to hold
 * its store: such a source may be part of a backup, and stays as it is in a restore. */
bool protected_is_mounted(const struct protected *x, const struct hostpath *p);

/* Add those that lie in the folder ${fd}, which stay as they are, to ${list}, a list of ${count};
 * the caller's to free. */
void protected_inside(const struct protected *x, int fd, struct tree_id **list, size_t *count);

/* The first of them that lies in ${fd}, in words; NULL: none.  Borrowed. */
const char *protected_held(const struct protected *x, int fd);

#endif
