#ifndef ARCHIVE_ATTRIBUTES_H
#define ARCHIVE_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "archive/tar/member.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Owner, mode, xattrs (ACLs and capabilities are xattrs) and times, for every type of file alike:
 * through /proc/self/fd, since the *at calls have no form for xattrs and many refuse O_PATH; of
 * what is open for more than its path through the descriptor, which costs a third less.
 */

/* Where the attributes are: a name below a directory, or what a descriptor stands for. */
struct place {
	char path[320];
	bool follow; /* the path ends in a magic link */
	int fd;	     /* what is open, instead of the path; else -1 */
};

/* For reading alone: what stands under a name may be another thing a moment later.  ${name}: one
 * part, no '/'. */
void place_below(struct place *p, int dir_fd, const char *name);

/* What ${fd}, which may be O_PATH, stands for, whatever has become of its name. */
void place_itself(struct place *p, int fd, bool directory);
void place_open(struct place *p, int fd); /* not O_PATH */

struct attributes {
	struct member_xattr *xattrs; /* sorted by name */
	size_t count;
	struct buf names, values;
};

void attributes_init(struct attributes *a);
void attributes_free(struct attributes *a);

/**
 * attributes_read(a, p, layer, e):
 * Read the xattrs of ${p} into ${a}, replacing what it held; valid until the next call.
 * Left out: overlay's own marks (trusted.overlay.*; of a ${layer} user.overlay.* too) and what may
 * be listed but not read.  None where the file system has none.
 * ERR_IO with number ENOENT if it is gone; ERR_TOO_LARGE above MEMBER_XATTRS_MAX.
 */
int attributes_read(struct attributes *a, const struct place *p, bool layer, struct err *e);

/**
 * attributes_apply(p, m, e):
 * Give ${p}, which is of place_itself or place_open, the owner, xattrs, mode and mtime of ${m}, in
 * this order: chown clears capabilities and set-id bits.  xattrs that ${m} does not have are
 * removed, but for overlay's marks and labels that security modules put there themselves.
 */
int attributes_apply(const struct place *p, const struct member *m, struct err *e);

/* The same for the file ${fd} that has just been made, where no capability or set-id bit can be:
 * ${st} is what it looks like, and the owner is not set if it is right. */
int attributes_apply_new(int fd, const struct member *m, const struct stat *st, struct err *e);

/* Whether the xattrs that were read are those of ${m}, but for what attributes_apply lets be. */
bool attributes_equal(const struct attributes *a, const struct member *m);

/* trusted.* want SYS_ADMIN: who has it not neither sees nor sets them. */
bool attributes_see_trusted(void);

/* Whether a member was compared, or made, without attributes of its own that this process neither
 * sees nor can set, since the last call.  Thread-safe. */
bool attributes_missed(void);

/* The mtime alone. */
int attributes_apply_mtime(const struct place *p, member_time mtime_ns, struct err *e);

#endif
