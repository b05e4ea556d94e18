#ifndef ENGINE_LENDER_H
#define ENGINE_LENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"

/*
 * The lender: a helper that opens the roots of sources where the engine mounts them, passes the
 * descriptors over a unix socket, answers questions that want SYS_ADMIN, and is the guard of a
 * freeze.  In a container it is a container of our own image; on a host it is a child process.
 * Thread-safe once it is open.
 *
 * Guard: it holds the ids that it was told; when its socket reaches EOF without a release it thaws
 * them through the engine's socket and ends.
 */
struct lender;

/* Of lenders' containers; its value is the name of the service's container, so that a service that
 * starts under this name knows what its predecessor left. */
#define LENDER_LABEL "fuel-backup.lender"

struct lender_root {
	const char *path;   /* a host path, */
	const char *volume; /* or a volume's name (then ${path} is its mount point on the host) */
	bool host;	    /* or the host's own root folder, as its first process sees it */
	bool writable;
};

/* What a lender does with the host's cgroups: nothing; helps where the engine is stuck (thaw.h), if
 * they can be found; freezes by them. */
enum lender_cgroups { LENDER_NO_CGROUPS, LENDER_HELPS, LENDER_FREEZES };

struct lender_options {
	struct engine *engine;
	const struct self *self;
	const char *run_path; /* folder for the socket, as this process sees it: <store>/run */
	const char *name;     /* a name for the container: fuel-backup-lender-<operation> */
	const struct lender_root *roots;
	size_t count;
	enum lender_cgroups cgroups;
};

/**
 * lender_open(options, ret_lender, e):
 * Start it and take the descriptors.  A root that does not exist or cannot be
 * mounted makes the call fail: ERR_UNREADABLE naming it.  Mounts below a root are lent with it, so
 * that a walk can tell that they are mounts.  Stall limit 60 s.
 */
int lender_open(const struct lender_options *options, struct lender **ret_lender, struct err *e);

/* Close the socket, wait for its end, remove its container.  Releases nothing by itself: a guard
 * that was not released thaws. */
void lender_close(struct lender *l);
void lender_close_at(struct lender **l);

/* The descriptor of root ${i} (O_PATH), borrowed. */
int lender_fd(const struct lender *l, size_t i);

/**
 * lender_opaque(l, i, ret_paths, e):
 * Relative paths of the opaque directories of root ${i}, sorted bytewise, NULL-terminated; free
 * with lender_paths_free.  ERR_UNSUPPORTED if it has overlay redirects or metacopy files.
 */
int lender_opaque(struct lender *l, size_t i, char ***ret_paths, struct err *e);
void lender_paths_free(char ***paths);
/* Mark ${path} below root ${i} as opaque. */
int lender_set_opaque(struct lender *l, size_t i, const char *path, struct err *e);

/* The overlays that the lender sees mounted, a line "POINT\tUPPER\n" each, with the paths that the
 * engine mounted them by; the caller's. */
int lender_overlays(struct lender *l, char **ret_lines, struct err *e);

/* Hold these container ids (replacing earlier ones); returns when it does.  None: released. */
int lender_guard(struct lender *l, const char *const *ids, size_t count, struct err *e);

/**
 * lender_cgroups_find(l, e), lender_cgroups_freeze(l, e), lender_cgroups_thaw(l, e):
 * The cgroups of the ids that are held (cgroups.h).  Find: ERR_UNSUPPORTED if one has none.
 * A lender that freezes and is left alone thaws these.
 */
int lender_cgroups_find(struct lender *l, struct err *e);
int lender_cgroups_freeze(struct lender *l, struct err *e);
int lender_cgroups_thaw(struct lender *l, struct err *e);

/* Freeze or thaw ${id} by its cgroup, whoever froze it, with a lender that helps. */
int lender_switch(struct lender *l, const char *id, bool frozen, struct err *e);

/**
 * lender_main(argc, argv):
 * The other side: `fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT…`, where CGROUPS is -,
 * help:FOLDER or freeze:FOLDER.  Returns an exit code.
 */
int lender_main(int argc, char **argv);

/* Remove containers that earlier runs of this service left behind (by label).  At start-up. */
int lender_sweep(struct engine *g, const struct self *self, struct err *e);

#endif
