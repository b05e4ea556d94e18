#ifndef ENGINE_LENDER_LENDER_H
#define ENGINE_LENDER_LENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender/cgroups.h"
#include "engine/self.h"

/*
 * The lender: a helper that opens the roots of sources where the engine mounts them, passes the
 * descriptors over a unix socket, answers questions that want SYS_ADMIN, and is the guard of a
 * freeze.  In a container it is a container of our own image; on a host it is a child process.
 * Thread-safe once it is open.
 *
 * Guard: it thaws what it was told to hold when its socket reaches EOF without a release, when the
 * time that it was told is up, and when the engine starts it again after it was killed (guard.h).
 */
struct lender;

/* Of lenders' containers; its value is the name of the service's container, so that a service that
 * starts under this name knows what its predecessor left. */
#define LENDER_LABEL "fuel-backup.lender"

struct lender_root {
	const char *path; /* a host path, */
	const char
		*holder; /* …or, of the container of this id, whose process is ${pid}, its tmpfs */
	int pid;	 /* that it has at ${path} */
	const char *volume; /* or a volume's name (then ${path} is its mount point on the host) */
	bool host;	    /* or the host's own root folder, as its first process sees it */
	bool writable;
};

/* Whether a lender has the host's cgroups: to lend containers' freezers, and to thaw by them as the
 * guard of a freeze. */
enum lender_cgroups { LENDER_NO_CGROUPS, LENDER_CGROUPS };

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

/**
 * lender_hidden(l, i, flags, ret_count, ret_path, e):
 * How many files below root ${i} have attributes that a walk does not see (hidden_attributes.h),
 * and the first one's path, relative to it, the caller's; NULL if there is none.  Some seconds.
 */
int lender_hidden(struct lender *l, size_t i, uint32_t flags, int64_t *ret_count, char **ret_path,
	struct err *e);

/* What the lender sees mounted, a line "POINT\tTYPE\tUPPER\n" each (mount_table.h): of root ${i}
 * what is below "/source/I" in a container, below its path on a host.  The caller's. */
int lender_mounts(struct lender *l, char **ret_lines, struct err *e);

/**
 * lender_freezers(l, ids, count, ret_cgroups, e):
 * The freezers of these containers, opened by the lender and used by this process from then on
 * without it: ${ret_cgroups} has them in the order of ${ids}; those that cannot be had are not
 * there.  ERR_UNSUPPORTED if the host's cgroups cannot be reached.
 */
int lender_freezers(struct lender *l, const char *const *ids, size_t count,
	struct cgroups **ret_cgroups, struct err *e);

struct lender_held {
	const char *id;
	bool by_engine; /* the engine pauses it; else its cgroup is frozen */
};

/**
 * lender_guard(l, held, count, limit_ms, e):
 * From when this returns these are held, replacing earlier ones, and they are thawed after
 * ${limit_ms} at the latest.  What stands still now is its owner's, and is not touched.  The
 * journal (guard.h), if there is one, is written before.  ERR_TIMEOUT after some seconds.
 */
int lender_guard(struct lender *l, const struct lender_held *held, size_t count, uint32_t limit_ms,
	struct err *e);

/* Nothing is held any more.  ${ret_thawed}: the guard had thawed it, for the time was up. */
int lender_release(struct lender *l, bool *ret_thawed, struct err *e);

/* The id of its container, borrowed; NULL where it is a child process. */
const char *lender_container(const struct lender *l);

/* Have the engine tell an event ("kill") of the lender's container, which does it no harm. */
int lender_nudge(struct lender *l, struct err *e);

/* Its name in the journal of a freeze (guard.h); borrowed. */
const char *lender_mark(const struct lender *l);

/* False once its socket is closed: it died.  Waits for nothing.  Thread-safe, beside any question.
 */
bool lender_lives(const struct lender *l);

/**
 * lender_main(argc, argv):
 * The other side: `fuel-backupd lend SOCKET DOCKER_HOST CGROUPS ROOT…`, where CGROUPS is - or the
 * folder of the host's.  Returns an exit code.
 */
int lender_main(int argc, char **argv);

/**
 * lender_made(g, ret_names, e):
 * The volumes that the engine made anew when it lent them, because they had been removed just
 * before: they have the lender's label.  A new array.
 */
int lender_made(struct engine *g, json_t **ret_names, struct err *e);

/* Remove containers that earlier runs of this service left behind (by label).  At start-up. */
int lender_sweep(struct engine *g, const struct self *self, struct err *e);

#endif
