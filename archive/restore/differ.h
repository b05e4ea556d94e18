#ifndef ARCHIVE_DIFFER_H
#define ARCHIVE_DIFFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "archive/restore/ledger.h"
#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "archive/write/segments.h"
#include "base/err.h"

/*
 * Where a tree on disk differs from its members in an archive.  Reads only.
 *
 *	differ_open ─> differ_member… ─> differ_survey ─> what is to be done stands in the ledger
 *	                    └──────(once nobody writes any more: what is AGAIN)──────┘
 *
 * Equal is what has equal type, mode, owner, mtime to the nanosecond, size, link target, device,
 * xattrs (so ACLs and capabilities), hard links within the tree, and content, which is read and
 * compared: equal stat data prove nothing, for whoever writes may set them.  A survey then says
 *what may have changed since: as in design.md section 6, T is taken before a syncfs, so that each
 *later store moves mtime and ctime, and where no file system does that everything may have. Sockets
 *are no part of backups: they stay and are not looked at.  Not thread-safe.
 */
struct differ;

struct differ_options {
	struct tree tree;   /* root, prefix, layer, excludes; borrowed */
	const char *except; /* path below the root that stays as it is, or NULL */
	bool absent;	    /* there is no such tree yet: everything is missing */
	char *const *parts; /* NULL-terminated paths below the root: only these and what is below
			     * them are asked for, all else stays.  NULL: all.  Borrowed */
	char **veiled;	    /* of a layer: lender_opaque, or NULL; borrowed by differ_open */
};

/* Takes T.  What is mounted inside stays as it is, as if it were excluded. */
int differ_open(const struct differ_options *options, struct differ **ret_differ, struct err *e);
void differ_close(struct differ *d);

/* The mounts inside, relative to the root, in words; NULL: none. */
const char *differ_mounts(const struct differ *d);

/* The tree is (now) that at ${root_fd}. */
void differ_move(struct differ *d, int root_fd);

/* Compare ${m}, of the archive's place ${at}, with its content from ${r}; remember what was found.
 */
int differ_member(struct differ *d, const struct member *m, struct reader *r, struct err *e);

enum differ_change { DIFFER_ADDED, DIFFER_CHANGED, DIFFER_DELETED, DIFFER_KINDS };

/* What somebody is told of: ${path} relative to the root; ${whole}: it is not below another that is
 * deleted; ${bytes}: of a file. */
struct differ_notice {
	enum differ_change change;
	const char *path;
	bool directory;
	bool whole;
	bool emptied; /* a folder that stays for what is excluded below it: only that is told */
	int64_t bytes;
};
typedef int differ_tell(void *ctx, const struct differ_notice *n, struct err *e);

/**
 * differ_on(d, tell, ctx):
 * From now on ${tell} is told of each difference: by differ_member of what is missing or other, by
 * differ_survey of what is too much.  NULL: of none.
 */
void differ_on(struct differ *d, differ_tell *tell, void *ctx);

/* Whether a survey can tell what has changed from what has not: else everything is AGAIN. */
bool differ_steady(const struct differ *d);

/* Whether an entry that looks like ${st} may have changed since T. */
bool differ_touched(const struct differ *d, const struct statx *st);

/* Look at the whole tree: what is too much, what vanished, what may have changed since it was
 * compared, or since what is to be written into it was found (LEDGER_AGAIN).  Then the ledger is
 * settled. */
int differ_survey(struct differ *d, struct err *e);

/* Whether something is to be done, or may be (LEDGER_AGAIN). */
bool differ_any(const struct differ *d);

/* Whether the last survey found what the archive does not have. */
bool differ_too_much(const struct differ *d);

struct ledger *differ_ledger(struct differ *d); /* borrowed */

/* Whether the single file behind ${fd} (O_PATH will do) is ${m}, with its content from ${r}:
 * 1, 0, -1. */
int differ_file(int fd, const struct member *m, struct reader *r, struct err *e);

/* The number of the member ${path} (an archive path), or LEDGER_NONE. */
uint32_t differ_number(const struct differ *d, const char *path);

#endif
