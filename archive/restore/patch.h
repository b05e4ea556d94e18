#ifndef ARCHIVE_PATCH_H
#define ARCHIVE_PATCH_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Changing some entries of a tree, all or nothing:
 *
 *	patch_open ──> new/ ──(extract), patch_note──> patch_swap ──> patch_finish
 *	                  └───────> patch_undo <───────────┘
 *
 * Everything happens in BESIDE/.fuel-backup-ID/{new,old}, BESIDE being the root itself or another
 * folder on the same mount.  What takes an entry's place is put into new/ under the entry's own
 * path; patch_swap moves the old entry to old/ and the new one into the tree, by rename.  No inode
 * of the tree is written to, but for the owner, mode, xattrs and mtime of folders that stay, which
 * are first copied to folders of the same path in was/, and for large files that differ in a few
 * places: these places are kept first (delta.h).  patch_undo, also after a crash at any point and
 *any number of times, puts back the state before patch_swap, as far as nobody wrote into entries
 *that were never moved; patch_finish, likewise, removes old/.  After an error of patch_swap or
 *patch_undo comes patch_undo.  Not thread-safe.
 */
struct patch;

/* ${root_fd}, ${beside_fd} (may be the same; O_PATH will do): borrowed, of one writable mount.
 * ${id}: an id of ours; the same id resumes. */
int patch_open(int root_fd, int beside_fd, const char *id, struct patch **ret_patch, struct err *e);
void patch_close(struct patch *p);

/* Whether a patch of that id was opened there and neither undone nor finished. */
bool patch_there(int beside_fd, const char *id);

int patch_fd(const struct patch *p);	       /* new/, borrowed */
const char *patch_name(const struct patch *p); /* its path below BESIDE, borrowed */

/**
 * patch_note(p, what, path, e):
 * What patch_swap is to do with ${path}, relative to the root:
 * PATCH_ENTRY: new/PATH takes its place, whatever is there, or nothing; PATCH_DELETE: it goes;
 * PATCH_FOLDER: a folder that stays and gets the attributes of new/PATH; PATCH_KEEP: one that keeps
 * its own; PATCH_PLACE: the regular file that is there is written to, if patch_delta_open was the
 * last that was called for it.  The folder of each entry must be noted, too; no noted entry may lie
 * below another.
 * patch_swap: ERR_CONFLICT before anything is changed if somebody has written to such a file since.
 */
enum patch_what {
	PATCH_ENTRY = 'E',
	PATCH_DELETE = 'X',
	PATCH_FOLDER = 'D',
	PATCH_KEEP = 'K',
	PATCH_PLACE = 'P'
};
int patch_note(struct patch *p, enum patch_what what, const char *path, struct err *e);

/**
 * patch_delta_open(p, path, ret_new, ret_old, e):
 * Instead of putting ${path} into new/: two empty files for delta_make, the caller's to close.
 */
int patch_delta_open(struct patch *p, const char *path, int *ret_new, int *ret_old, struct err *e);

/* They are not wanted after all; ${path} is put into new/. */
int patch_delta_drop(struct patch *p, const char *path, struct err *e);

int patch_swap(struct patch *p, struct err *e);

/* True, also after a crash, if patch_swap had begun: the tree may hold new entries. */
bool patch_begun(const struct patch *p);

/* Likewise, if patch_undo had begun: the tree may hold old entries again. */
bool patch_undoing(const struct patch *p);
int patch_undo(struct patch *p, struct err *e);
int patch_finish(struct patch *p, struct err *e);

#endif
