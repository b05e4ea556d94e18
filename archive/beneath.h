#ifndef ARCHIVE_BENEATH_H
#define ARCHIVE_BENEATH_H

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
 * enter.  What could not be made is found when it is opened. */
void beneath_make(int root_fd, const char *path);

#endif
