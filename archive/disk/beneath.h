#ifndef ARCHIVE_DISK_BENEATH_H
#define ARCHIVE_DISK_BENEATH_H

#include <stdbool.h>

/*
 * Opening below a root that nobody can lead out of: no "..", no link, no magic link is followed.
 * Paths may be longer than PATH_MAX.  Thread-safe.
 */

enum beneath_reach {
	BENEATH_ANY_MOUNT, /* mounts below the root are entered */
	BENEATH_ONE_MOUNT  /* EXDEV instead of entering a mount */
};

/**
 * beneath_open(root_fd, path, flags, reach):
 * Open the existing ${path} ("" for the root itself) relative to the directory ${root_fd}, which
 * may be O_PATH.  O_CLOEXEC and O_NOFOLLOW are added to ${flags}.  Returns a descriptor or -1 with
 * errno: ELOOP for a link on the way, EXDEV for a mount or a "..".
 * Source: openat2(2).
 */
int beneath_open(int root_fd, const char *path, int flags, enum beneath_reach reach);

/* Make the folders of ${path} below ${root_fd} that are missing, itself too, for nobody but us to
 * enter; through no link and no mount.  What could not be made is found when it is opened. */
void beneath_make(int root_fd, const char *path);

/**
 * beneath_file(dir_fd, name, flags):
 * Open the regular file ${name}, one part, in ${dir_fd}.  What it is, is known before it is opened:
 * whoever may write to the folder may have put a device there, and opening one can be an act.
 * O_CLOEXEC is added to ${flags}.  Returns a descriptor, or -1 with errno: ESTALE if it is none.
 */
int beneath_file(int dir_fd, const char *name, int flags);

#endif
