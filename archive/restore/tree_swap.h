#ifndef ARCHIVE_RESTORE_TREE_SWAP_H
#define ARCHIVE_RESTORE_TREE_SWAP_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Changing some entries of a tree, all or nothing:
 *
 *	tree_swap_open ──> new/ ──(extract), tree_swap_note──> tree_swap_run ──> tree_swap_finish
 *	                  └───────> tree_swap_undo <───────────┘
 *
 * Everything happens in BESIDE/.fuel-backup-ID/{new,old}, BESIDE being the root itself or another
 * folder on the same mount.  What takes an entry's place is put into new/ under the entry's own
 * path; tree_swap_run moves the old entry to old/ and the new one into the tree, by rename.  No
 * inode of the tree is written to, but for the owner, mode, xattrs and mtime of folders that stay,
 * which are first copied to folders of the same path in was/, and for large files that differ in a
 * few places: these places are kept first (delta.h).  tree_swap_undo, also after a crash at any
 * point and any number of times, puts back the state before tree_swap_run, as far as nobody wrote
 * into entries that were never moved; tree_swap_finish, likewise, removes old/.  After an error of
 * tree_swap_run or tree_swap_undo comes tree_swap_undo.  Not thread-safe.
 */
struct tree_swap;

/* ${root_fd}, ${beside_fd} (may be the same; O_PATH will do): borrowed, of one writable mount.
 * ${id}: an id of ours; the same id resumes. */
int tree_swap_open(
	int root_fd, int beside_fd, const char *id, struct tree_swap **ret_patch, struct err *e);
void tree_swap_close(struct tree_swap *p);

/* Folders that stay get their attributes trusted.*, too, and but of a layer overlay's marks. Before
 * the first tree_swap_note; remembered on disk. */
int tree_swap_trust(struct tree_swap *p, bool layer, struct err *e);

/* Whether a patch of that id was opened there and neither undone nor finished. */
bool tree_swap_there(int beside_fd, const char *id);

int tree_swap_fd(const struct tree_swap *p);	       /* new/, borrowed */
const char *tree_swap_name(const struct tree_swap *p); /* its path below BESIDE, borrowed */

/**
 * tree_swap_note(p, what, path, e):
 * What tree_swap_run is to do with ${path}, relative to the root:
 * TREE_SWAP_ENTRY: new/PATH takes its place, whatever is there, or nothing; TREE_SWAP_DELETE: it
 * goes; TREE_SWAP_FOLDER: a folder that stays and gets the attributes of new/PATH; TREE_SWAP_KEEP:
 * one that keeps its own; TREE_SWAP_PLACE: the regular file that is there is written to, if
 * tree_swap_delta_open was the last that was called for it.  The folder of each entry must be
 * noted, too; no noted entry may lie below another. tree_swap_run: ERR_CONFLICT before anything is
 * changed if somebody has written to such a file since.
 */
enum tree_swap_what {
	TREE_SWAP_ENTRY = 'E',
	TREE_SWAP_DELETE = 'X',
	TREE_SWAP_FOLDER = 'D',
	TREE_SWAP_KEEP = 'K',
	TREE_SWAP_PLACE = 'P'
};
int tree_swap_note(struct tree_swap *p, enum tree_swap_what what, const char *path, struct err *e);

/**
 * tree_swap_delta_open(p, path, ret_new, ret_old, e):
 * Instead of putting ${path} into new/: two empty files for delta_make, the caller's to close.
 */
int tree_swap_delta_open(
	struct tree_swap *p, const char *path, int *ret_new, int *ret_old, struct err *e);

/* They are not wanted after all; ${path} is put into new/. */
int tree_swap_delta_drop(struct tree_swap *p, const char *path, struct err *e);

int tree_swap_run(struct tree_swap *p, struct err *e);

/* True, also after a crash, if tree_swap_run had begun: the tree may hold new entries. */
bool tree_swap_begun(const struct tree_swap *p);

/* Likewise, if tree_swap_undo had begun: the tree may hold old entries again. */
bool tree_swap_undoing(const struct tree_swap *p);
int tree_swap_undo(struct tree_swap *p, struct err *e);
int tree_swap_finish(struct tree_swap *p, struct err *e);

#endif
