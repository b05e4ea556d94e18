#ifndef ARCHIVE_DISK_ATTRIBUTES_H
#define ARCHIVE_DISK_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive/disk/place.h"
#include "archive/tar/member.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Owner, mode, xattrs (ACLs and capabilities are xattrs) and times, for every type of file alike:
 * through /proc/self/fd, since the *at calls have no form for xattrs and many refuse O_PATH; of
 * what is open for more than its path through the descriptor, which costs a third less.
 */

/* Which attributes count. */
enum {
	ATTRIBUTES_LAYER = 1,	/* of a layer: overlay's own marks do not */
	ATTRIBUTES_TRUSTED = 2, /* trusted.*: by a keeper (base/trusted.h) where it takes one */
	ATTRIBUTES_MARKS = 4	/* overlay's marks, too: those of an engine inside a volume */
};

struct attributes {
	struct member_xattr *xattrs; /* sorted by name */
	size_t count;
	struct buf names, values;
	struct buf records; /* what the keeper told */
	int flags;	    /* of what was read: ATTRIBUTES_TRUSTED only if that could be had */
};

void attributes_init(struct attributes *a);
void attributes_free(struct attributes *a);

/**
 * attributes_read(a, p, flags, e):
 * Read the xattrs of ${p} into ${a}, replacing what it held; valid until the next call.
 * Left out: overlay's own marks (trusted.overlay.* without ATTRIBUTES_MARKS; of a layer
 * user.overlay.* too), what may be listed but not read, and without ATTRIBUTES_TRUSTED what this
 * process does not see by itself.  None where the file system has none.
 * ERR_IO with number ENOENT if it is gone; ERR_TOO_LARGE above MEMBER_XATTRS_MAX.
 */
int attributes_read(struct attributes *a, const struct place *p, int flags, struct err *e);

/**
 * attributes_apply(p, m, e):
 * Give ${p}, which is of place_itself or place_open, the owner, xattrs, mode and mtime of ${m}, in
 * this order: chown clears capabilities and set-id bits.  xattrs that ${m} does not have are
 * removed, but for overlay's marks and labels that security modules put there themselves.
 */
int attributes_apply(const struct place *p, const struct member *m, struct err *e);

/* The same, ${m} having been read with ${flags}: with ATTRIBUTES_TRUSTED those that it does not
 * have are removed, too, overlay's marks with ATTRIBUTES_MARKS. */
int attributes_apply_all(const struct place *p, const struct member *m, int flags, struct err *e);

/* The same for the file ${fd} that has just been made, where no capability or set-id bit can be:
 * ${st} is what it looks like, and the owner is not set if it is right. */
int attributes_apply_new(int fd, const struct member *m, const struct stat *st, struct err *e);

/* Whether the xattrs that were read are those of ${m}, but for what attributes_apply lets be. */
bool attributes_equal(const struct attributes *a, const struct member *m);

/* Whether ${m} has attributes trusted.*. */
bool attributes_has_trusted(const struct member *m);

/* trusted.* want SYS_ADMIN: who has it not neither sees nor sets them by itself. */
bool attributes_see_trusted(void);

/* Whether a member was compared, or made, without attributes of its own that neither this
 * process nor a keeper can set, since the last call.  Thread-safe. */
bool attributes_missed(void);

/* The mtime alone. */
int attributes_apply_mtime(const struct place *p, member_time mtime_ns, struct err *e);

#endif
