#ifndef ARCHIVE_TAR_NAMES_H
#define ARCHIVE_TAR_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* The names in one directory, sorted bytewise, without "." and "..". */
struct name {
	const char *text;
	unsigned char type; /* DT_*, DT_UNKNOWN where the file system does not tell */
};

struct names {
	struct buf text;
	struct name *list;
	size_t count;
};

enum { NAMES_MAX = 1 << 30 }; /* bytes of all names of a directory: some 30 million entries */

/**
 * names_read(fd, directories, ret_names, e):
 * Read the directory ${fd} (not O_PATH) from its start; with ${directories} only what is or may be
 * a directory.  The result is the caller's to free with names_free.  ERR_IO, ERR_TOO_LARGE.
 */
int names_read(int fd, bool directories, struct names *ret_names, struct err *e);
void names_free(struct names *n);

/* True for what a patch of ours left in a root (tree_swap.h). */
bool names_ours(const char *name);

/* True for a path that stays below a root: no leading '/', no empty, "." or ".." part, none over
 * NAME_MAX, in all at most MEMBER_PATH_MAX. */
bool names_safe_path(const char *path);

/* Likewise, of a member: what marks a deletion has ".wh." before a name that may be NAME_MAX long.
 */
bool names_safe_member(const char *path);

/* As names_safe_path, of a folder of the archive and one name in it: "networks/front.json". */
bool names_safe_part(const char *path);

#endif
