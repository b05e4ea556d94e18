#ifndef JOBS_TARGET_H
#define JOBS_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/fill.h"
#include "archive/member.h"
#include "archive/reader.h"
#include "base/err.h"
#include "engine/lender.h"
#include "jobs/excludes.h"

/*
 * One tree of a restore, or one single file, and where it goes.
 *
 *	target_begin ──> target_member… ──> target_swap ──> target_finish
 *	      └───────────────┴──────> target_undo <──┘
 *
 * A tree is extracted beside the old one (fill.h).  A single file that is there keeps its inode,
 * for containers may have it mounted: its old state is saved as a tar in the store's run folder,
 * durable, then it is overwritten.  One that is not there is made in its folder, and removed by the
 *undo.
 */
enum target_way { TARGET_TREE, TARGET_OVERWRITE, TARGET_MAKE };

struct target {
	char *prefix;	 /* archive path of its root */
	char *path;	 /* on the host; "" for what has none of its own */
	char *volume;	 /* its name, or NULL */
	char *container; /* of a layer, or NULL */
	enum target_way way;
	bool nested; /* another target's prefix lies below this one's */

	struct lender *lender; /* borrowed */
	size_t number;	       /* with the lender */
	int root_fd;	       /* of a layer: below what is lent; else -1 */

	struct fill *fill;
	struct extract *extract;
	char *saved;  /* TARGET_OVERWRITE: name of the old file's tar in the run folder */
	int saved_fd; /* that, or -1 */
	bool made;    /* TARGET_MAKE: it may be there */
};

struct target_options {
	const char *id; /* the operation's */
	int run_fd;	/* <store>/run */
	const struct excludes *excludes;
	const char *except; /* archive path that stays as it is on the host, or NULL */
};

/**
 * target_check(t, options, e):
 * Whether it could be put back: its kind is still the same and no mount lies inside of it, which
 * no rename could carry.  Changes nothing.  ERR_CONFLICT says what to do.
 */
int target_check(const struct target *t, const struct target_options *options, struct err *e);

/**
 * target_resume(t, options, e):
 * Instead of target_begin, for target_undo or target_finish after a crash: what an earlier process
 * left under the same id.  Makes nothing.
 */
int target_resume(struct target *t, const struct target_options *options, struct err *e);

int target_begin(struct target *t, const struct target_options *options, struct err *e);
int target_member(struct target *t, const struct member *m, struct reader *r, struct err *e);
int target_swap(struct target *t, struct err *e);
int target_finish(struct target *t, const struct target_options *options, struct err *e);
int target_undo(struct target *t, const struct target_options *options, struct err *e);
void target_clear(struct target *t);

/* How far into ${path} the prefix of ${t} reaches: its length, or 0 if it does not hold it. */
size_t target_holds(const struct target *t, const char *path);

#endif
