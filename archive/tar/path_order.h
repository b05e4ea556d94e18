#ifndef ARCHIVE_TAR_PATH_ORDER_H
#define ARCHIVE_TAR_PATH_ORDER_H

#include <stdbool.h>

/*
 * Paths of an archive (member.h) in the order of a walk: names bytewise in each folder, a folder's
 * content right behind it.  As strcmp, but '/' comes before every other byte.
 */
int path_compare(const char *a, const char *b);

/* True if ${path} is somewhere in ${folder} ("": the root), and not it itself. */
bool path_inside(const char *path, const char *folder);

/* What is behind the last '/'. */
const char *path_name(const char *path);

/* ${folder}/${name}; a new string. */
char *path_join(const char *folder, const char *name);

/* The name in ${folder} that leads to ${path}, which is inside; a new string.  ${ret_direct}: it is
 * ${path} itself. */
char *path_child(const char *path, const char *folder, bool *ret_direct);

#endif
