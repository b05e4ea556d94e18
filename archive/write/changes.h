#ifndef ARCHIVE_CHANGES_H
#define ARCHIVE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/tar/names.h"
#include "base/err.h"

/*
 * What a whole tree has that the tree it began with has not.  Some storage drivers (vfs, btrfs, …)
 * keep no upper directory of a container, but a copy or a snapshot of its image.  A walk of a tree
 * with its changes (segments.h) meets what overlay's upper directory would hold: what was added or
 * changed, the folders above that, and a mark for each deletion.  So archives carry from one driver
 * to another.
 */
struct changes;

struct changes_options {
	int root_fd, base_fd; /* borrowed; O_PATH will do */
	int born_fd; /* likewise, a file or folder that was made after the tree was complete; or -1
		      */
};

/**
 * changes_find(o, ret_changes, e):
 * Compare the two.  An entry is the same if type, mode, owner, size, mtime, device and number of
 * links are equal, and either inode and ctime are, too (a snapshot), or it was not touched since
 * ${o->born_fd} was made; else its attributes and content are read and compared.  What vanishes
 * meanwhile is no error.  ERR_UNREADABLE.
 */
int changes_find(const struct changes_options *o, struct changes **ret_changes, struct err *e);
void changes_free(struct changes *c);
void changes_free_at(struct changes **c);

/* From now on a walk meets all that is below the folder ${path} (relative to the root). */
void changes_show(struct changes *c, const char *path);

struct changes_folder;

/* What changed directly in the folder ${path}; NULL: nothing.  Borrowed. */
const struct changes_folder *changes_folder(const struct changes *c, const char *path);

/* All that is in it and below it is shown. */
bool changes_whole(const struct changes_folder *f);

/**
 * changes_filter(f, directories, names):
 * Of ${names} (a folder's, as names_read gives them) keep those that changed, and unless
 * ${directories} add those that are gone, with the type DT_WHT.  ${f} (or NULL) outlives them.
 */
void changes_filter(const struct changes_folder *f, bool directories, struct names *names);

/* Of a name that is gone: when the base's entry was modified, in nanoseconds. */
int64_t changes_gone_ns(const struct changes_folder *f, const char *name);

#endif
