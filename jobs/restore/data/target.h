#ifndef JOBS_RESTORE_DATA_TARGET_H
#define JOBS_RESTORE_DATA_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "archive/restore/tree_diff.h"
#include "archive/restore/tree_swap.h"
#include "archive/tar/member.h"
#include "archive/tar/reader.h"
#include "base/err.h"
#include "engine/layers/layers.h"
#include "engine/lender/lender.h"
#include "jobs/hostpath/hostpath.h"
#include "jobs/plan/excludes.h"

/*
 * One tree of a restore, or one single file, and where it goes.
 *
 *	target_look ─> target_compare… ─> target_survey          (while everything runs; reads only)
 *	target_begin ─> target_member… ─┐                        (what differs, beside the old)
 *	                                ├─> target_survey ─> target_compare… ─> target_member…
 *	                                └─> target_ready ─> target_swap ─> target_finish
 *	                                        target_undo <────┘
 *
 * Of a tree only what differs is written (tree_diff.h), beside the old one (tree_swap.h); of a
 * large file in a volume or on the host that differs in a few places only these.  A single file
 * that is there keeps its inode, for containers may have it mounted: its old state is saved as a
 *tar in the store's run folder, durable, then it is overwritten.  One that is not there is made in
 *its folder, and removed by the undo.
 */
enum target_way { TARGET_TREE, TARGET_OVERWRITE, TARGET_MAKE };

struct target {
	char *prefix; /* archive path of its root */
	char *path;   /* on the host, as it is called; "" for what has none of its own */
	char *real;   /* of that, or of the folder that a volume is bound to: where its data go
		       * (restore_data_place.c), without links; NULL for all others */
	struct hostpath found; /* that, as it is now; of a volume the engine's folder */
	json_t *above;	       /* what missing folders above look like, or NULL */
	json_t *relink;	       /* links to be put back: {"path", "to", "was", …}, or NULL */
	struct target *twin; /* another name of this one's tree, by which it is restored, or NULL */
	struct tree_id *left; /* what stays as it is inside, whatever it is called */
	size_t left_count;
	char *volume;	 /* its name, or NULL */
	bool outside;	 /* of a volume: the work is done beside its folder, out of reach */
	char *container; /* of a layer, or NULL */
	bool trusted;	 /* the backup has its attributes trusted.* (segments.h) */
	char **parts;	 /* paths below its root that are asked for, NULL-terminated; NULL: all */
	enum target_way way;
	bool unknown; /* a layer of which nobody knows where it is here: it is left alone */
	bool nested;  /* another target's prefix lies below this one's */
	bool absent;  /* there is nothing yet; for a tree: its root is not lent */
	bool next;    /* the one that is to be lent */
	bool active;  /* this restore changes it, or a container that it stops may */

	struct lender *lender; /* borrowed */
	size_t number;	       /* with the lender */
	size_t itself; /* of a layer, or of what has its work ${outside}: the number of the tree,
			* ${number} being that of the folder that holds it */
	enum layer_form form; /* of a layer.  A whole tree is compared where it is, and written to
			       * only as that of a container that was just made */
	char *base, *born;    /* of a whole tree that is there (layers.h), or NULL */
	size_t base_number, born_number; /* of these with the lender */
	struct changes *changes;	 /* of such a tree */
	int root_fd;			 /* of one with ${itself}: below what is lent; else -1 */

	struct tree_diff *differ;
	struct tree_swap *patch;
	struct extract *extract;
	void *told; /* target_options' ctx, for those that are told of this target */
	int64_t counts[TREE_DIFF_KINDS], bytes[TREE_DIFF_KINDS]; /* of what was told */
	int64_t small_bytes;   /* of these, of what is there and too small to be written in place */
	size_t longest;	       /* bytes: the longest name of a member */
	char *longest_path;    /* the first one that has it, or NULL */
	int64_t size;	       /* of a single file: in the archive */
	int64_t at;	       /* of a single file: where its member begins in the archive */
	bool same;	       /* of a single file: it is equal */
	char *saved;	       /* TARGET_OVERWRITE: name of the old file's tar in the run folder */
	int saved_fd;	       /* that, or -1 */
	bool made;	       /* TARGET_MAKE: it may be there */
	int64_t in_place_from; /* target_options' */
	bool bound;	       /* a folder on the host that a container of the backup binds */
	bool still;	       /* nobody writes to it any more */
};

struct target_options {
	const char *id;			  /* the operation's */
	int run_fd;			  /* <store>/run */
	struct small_file_writer *scribe; /* extract.h */
	int64_t in_place_from; /* bytes: a file so large, or larger, that differs in a few places is
				* written in place; 0: none */
	const struct excludes *excludes;
	const char *except;   /* host path that stays as it is, or NULL */
	tree_diff_tell *tell; /* told of each difference, its ctx being the target */
	void *told;
};

/**
 * target_look(t, options, e):
 * Whether it could be put back: its kind is still the same.  Then it can be compared.  Changes
 * nothing.  ERR_CONFLICT says what to do.
 */
int target_look(struct target *t, const struct target_options *options, struct err *e);
int target_compare(struct target *t, const struct member *m, struct reader *r, struct err *e);
int target_survey(struct target *t, struct err *e);
bool target_differs(const struct target *t);

/* A tree_diff_tell, ${ctx} being the target: count. */
int target_count(void *ctx, const struct tree_diff_notice *n, struct err *e);

/* From now on its root is there: lent, ${t->root_fd} set if it is a layer. */
void target_found(struct target *t);

/* Offsets of members, in no order. */
struct target_offsets {
	int64_t *list; /* the owner's to free */
	size_t count, room;
};

/* Add those that must be compared once more: what may have changed since, and single files. */
void target_again(const struct target *t, struct target_offsets *offsets);

/* Add those of which target_member is to be called; after target_survey, and once more after all
 * these calls, for some files are wanted a second time.  ${still}: nobody writes any more.  Until
 * then what is to be a link to a file that stays has to wait: the file may go. */
void target_wanted(const struct target *t, bool still, struct target_offsets *offsets);

/**
 * target_resume(t, options, e):
 * Instead of target_begin, for target_undo or target_finish after a crash: what an earlier process
 * left under the same id.  Makes nothing.
 */
int target_resume(struct target *t, const struct target_options *options, struct err *e);

int target_begin(struct target *t, const struct target_options *options, struct err *e);
int target_member(struct target *t, const struct member *m, struct reader *r, struct err *e);

/* Once nobody writes any more, and what was to be compared again is: what was found of files that
 * have changed since is wanted again.  1 if all that is beside is of no use, for folders came or
 * went meanwhile, and all of it is wanted again; 0; -1. */
int target_again_all(struct target *t, const struct target_options *options, struct err *e);

/* All members came: note what is to be deleted. */
int target_ready(struct target *t, struct err *e);
int target_swap(struct target *t, struct err *e);

/* What was put beside is on the disk: before that no old data may go.  By any thread. */
int target_sync(const struct target *t, struct err *e);
int target_finish(struct target *t, const struct target_options *options, struct err *e);
int target_undo(struct target *t, const struct target_options *options, struct err *e);
void target_clear(struct target *t);

/* The root, borrowed. */
int target_root(const struct target *t);

/* How far into ${path} the prefix of ${t} reaches: its length, or 0 if it does not hold it. */
size_t target_holds(const struct target *t, const char *path);

#endif
