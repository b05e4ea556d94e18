#ifndef ARCHIVE_DISK_REMOVE_TREE_H
#define ARCHIVE_DISK_REMOVE_TREE_H

#include "base/err.h"

/**
 * remove_tree(dir_fd, name, e):
 * Remove the folder ${name} in ${dir_fd} with all that is in it; it being gone already is success.
 * Follows no link and enters no mount: a mount inside makes it fail (ERR_CONFLICT), with the rest
 * left for another try.  However deep the tree is, at most REMOVE_TREE_DEPTH descriptors are open.
 */
int remove_tree(int dir_fd, const char *name, struct err *e);

enum { REMOVE_TREE_DEPTH = 64 };

#endif
