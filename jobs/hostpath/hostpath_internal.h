#ifndef JOBS_HOSTPATH_HOSTPATH_INTERNAL_H
#define JOBS_HOSTPATH_HOSTPATH_INTERNAL_H

#include "jobs/hostpath/hostpath.h"

/* What hostpath.c and hostpath_make.c share; nobody else includes it. */

/* What ${fd}, which may be O_PATH, is.  0, or -1 with errno. */
int hostpath_look(int fd, struct statx *ret_stat);

/* One name in an open folder, O_PATH: no link is followed, whatever it becomes meanwhile.  -1 with
 * errno. */
int hostpath_open(int dir_fd, const char *name);

#endif
