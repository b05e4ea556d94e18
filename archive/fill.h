#ifndef ARCHIVE_FILL_H
#define ARCHIVE_FILL_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Filling a directory that cannot be renamed (a volume's root, a layer) beside its old contents:
 *
 *	fill_open ──> new/ ──(extract)──> fill_swap ──> fill_finish
 *	                  └──> fill_undo <──────┘
 *
 * Everything happens in BESIDE/.fuel-backup-ID/{new,old}, BESIDE being the root itself or another
 * folder on the same mount: extraction goes to new/, fill_swap moves the old entries to old/ and
 *the new ones into the root by rename, and gives the root the owner, mode, xattrs and mtime of
 *new/.  fill_undo, also after a crash at any point and any number of times, puts the old state
 *back; fill_finish removes old/.  Not thread-safe.
 */
struct fill;

/* ${root_fd}, ${beside_fd} (may be the same; O_PATH will do): borrowed, of one writable mount.
 * ${id}: an id of ours; the same id resumes. */
int fill_open(int root_fd, int beside_fd, const char *id, struct fill **ret_fill, struct err *e);

/* Whether a fill of that id has begun there and was neither undone nor finished. */
bool fill_there(int beside_fd, const char *id);
void fill_close(struct fill *f);
void fill_close_at(struct fill **f);

int fill_fd(const struct fill *f);	     /* new/, borrowed */
const char *fill_name(const struct fill *f); /* its path below BESIDE, borrowed */

/**
 * fill_keep(f, path, e):
 * ${path}, relative to the root, is not of the backup (an exclude matches it) and stays: fill_swap
 * moves it from the old state to the new one, making missing folders above it, in place of what the
 * new one has there; fill_undo moves it back.  Before fill_swap.  At most FILL_KEEP_MAX of them.
 */
int fill_keep(struct fill *f, const char *path, struct err *e);
enum { FILL_KEEP_MAX = 100000 };

int fill_swap(struct fill *f, struct err *e);
int fill_undo(struct fill *f, struct err *e);
int fill_finish(struct fill *f, struct err *e);

#endif
