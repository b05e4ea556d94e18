#ifndef ARCHIVE_RESTORE_TREE_DIFF_H
#define ARCHIVE_RESTORE_TREE_DIFF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "archive/restore/member_index.h"
#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "archive/write/segments.h"
#include "base/err.h"

/*
 * Where a tree on disk differs from its members in an archive.  Reads only.
 *
 *	tree_diff_open ─> tree_diff_member… ─> tree_diff_survey ─> what is to be done stands in the
 * ledger └──────(once nobody writes any more: what is AGAIN)──────┘
 *
 * Equal is what has equal type, mode, owner, mtime to the nanosecond, size, link target, device,
 * xattrs (so ACLs and capabilities), hard links within the tree, and content, which is read and
 * compared: equal stat data prove nothing, for whoever writes may set them.  A survey then says
 * what may have changed since: as in docs/design/design.md section 6, T is taken before a syncfs,
 * so that each later store moves mtime and ctime, and where no file system does that everything may
 * have. Sockets are no part of backups: they stay and are not looked at.  Not thread-safe.
 */
struct tree_diff;

struct tree_diff_options {
	struct tree tree;   /* root, prefix, layer, excludes; borrowed */
	const char *except; /* path below the root that stays as it is, or NULL */
	bool absent;	    /* there is no such tree yet: everything is missing */
	bool trusted_here;  /* some of it has attributes trusted.* now; only if tree.trusted */
	char *const *parts; /* NULL-terminated paths below the root: only these and what is below
			     * them are asked for, all else stays.  NULL: all.  Borrowed */
	char **veiled;	    /* of a layer: lender_opaque, or NULL; borrowed by tree_diff_open */
};

/* Takes T.  What is mounted inside stays as it is, as if it were excluded. */
int tree_diff_open(
	const struct tree_diff_options *options, struct tree_diff **ret_differ, struct err *e);
void tree_diff_close(struct tree_diff *d);

/* The mounts inside, relative to the root, in words; NULL: none. */
const char *tree_diff_mounts(const struct tree_diff *d);

/* The tree is (now) that at ${root_fd}. */
void tree_diff_move(struct tree_diff *d, int root_fd);

/* Compare ${m}, of the archive's place ${at}, with its content from ${r}; remember what was found.
 */
int tree_diff_member(struct tree_diff *d, const struct member *m, struct reader *r, struct err *e);

enum tree_diff_change { TREE_DIFF_ADDED, TREE_DIFF_CHANGED, TREE_DIFF_DELETED, TREE_DIFF_KINDS };

/* What somebody is told of: ${path} relative to the root; ${whole}: it is not below another that is
 * deleted; ${bytes}: of a file. */
struct tree_diff_notice {
	enum tree_diff_change change;
	const char *path;
	bool directory;
	bool whole;
	bool emptied; /* a folder that stays for what is excluded below it: only that is told */
	int64_t bytes;
};
typedef int tree_diff_tell(void *ctx, const struct tree_diff_notice *n, struct err *e);

/**
 * tree_diff_on(d, tell, ctx):
 * From now on ${tell} is told of each difference: by tree_diff_member of what is missing or other,
 * by tree_diff_survey of what is too much.  NULL: of none.
 */
void tree_diff_on(struct tree_diff *d, tree_diff_tell *tell, void *ctx);

/* Whether a survey can tell what has changed from what has not: else everything is AGAIN. */
bool tree_diff_steady(const struct tree_diff *d);

/* Whether an entry that looks like ${st} may have changed since T. */
bool tree_diff_touched(const struct tree_diff *d, const struct statx *st);

/* Look at the whole tree: what is too much, what vanished, what may have changed since it was
 * compared, or since what is to be written into it was found (MEMBER_INDEX_AGAIN).  Then the ledger
 * is settled. */
int tree_diff_survey(struct tree_diff *d, struct err *e);

/* Whether something is to be done, or may be (MEMBER_INDEX_AGAIN). */
bool tree_diff_any(const struct tree_diff *d);

/* Whether the last survey found what the archive does not have. */
bool tree_diff_too_much(const struct tree_diff *d);

struct member_index *tree_diff_ledger(struct tree_diff *d); /* borrowed */

/* Whether the single file behind ${fd} (O_PATH will do) is ${m}, with its content from ${r}:
 * 1, 0, -1. */
int tree_diff_file(int fd, const struct member *m, struct reader *r, struct err *e);

/* The number of the member ${path} (an archive path), or MEMBER_INDEX_NONE. */
uint32_t tree_diff_number(const struct tree_diff *d, const char *path);

#endif
