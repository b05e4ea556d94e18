#ifndef ARCHIVE_RESTORE_TREE_DIFF_INTERNAL_H
#define ARCHIVE_RESTORE_TREE_DIFF_INTERNAL_H

#include "archive/disk/attributes.h"
#include "archive/disk/links.h"
#include "archive/restore/tree_diff.h"
#include "archive/write/walk.h"

/* What tree_diff.c, tree_diff_compare.c and tree_diff_survey.c share; nobody else includes it. */

enum {
	TREE_DIFF_BUFFER = 256 * 1024,
	TREE_DIFF_HELD_MAX = 200000, /* 40 bytes each */
	TREE_DIFF_MOUNTS_MAX = 1024  /* of their names, for a message */
};

struct tree_diff {
	struct tree tree;
	char *prefix;
	bool absent;
	struct member_index ledger;
	struct member_index held;   /* of excluded entries: MEMBER_INDEX_HELD; of folders above:
				       MEMBER_INDEX_DIR */
	struct member_index veiled; /* opaque folders of the tree */
	struct links links; /* inodes with several names, and who has been found equal to one */
	int64_t since_ns;   /* T */
	char *const *parts;
	bool steady; /* the file system moves ctime at each change */
	bool by_id;  /* what is proved to be equal by the archive's owner needs not be read */
	bool trusted_here;
	bool too_much; /* the last survey found what the archive does not have */
	tree_diff_tell *tell;
	void *ctx;
	struct attributes attributes;
	char *buffer;
	struct buf mounts;
	char *parent;  /* path of the folder that was used last, */
	int parent_fd; /* and the folder; -1 if there is none */
};

void tree_diff_close_at(struct tree_diff **d);

/* How ${path} lies to what is asked for. */
enum tree_diff_place { PLACE_IN, PLACE_ABOVE, PLACE_OUT };
enum tree_diff_place tree_diff_place(const struct tree_diff *d, const char *path);

struct tree_diff_found {
	bool there; /* something of this name */
	bool stays; /* it need not be replaced */
	bool same;  /* and is equal in all; else a folder with other attributes */
	uint64_t inode;
};

/* Look at ${path} on disk, which the archive has as ${m}. */
int tree_diff_compare(struct tree_diff *d, const struct member *m, enum walk_kind kind,
	const char *path, const struct member_index_entry *x, struct reader *r,
	struct tree_diff_found *ret_found, struct err *e);

#endif
