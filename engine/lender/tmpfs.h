#ifndef ENGINE_LENDER_TMPFS_H
#define ENGINE_LENDER_TMPFS_H

#include <stdbool.h>

#include "base/err.h"

/*
 * A container's tmpfs: it is nowhere but in the mounts of the container's own processes, so that a
 * lender in the host's process namespace reaches it by one of them.
 */

/* How a lender is told of the tmpfs at ${path} in the container ${holder} (its whole id), whose
 * process is ${pid}; the caller's.  No path begins like it. */
char *tmpfs_word(int pid, const char *holder, const char *path);
bool tmpfs_is_word(const char *text);

/**
 * tmpfs_open(word, e):
 * The other side: open it (O_PATH; a single file on one will do).  What links in the container mean
 * they mean there.  Returns the descriptor, the caller's; -1: ERR_UNREADABLE if the process is not
 * the container's any more, or no tmpfs is there.
 */
int tmpfs_open(const char *word, struct err *e);

#endif
