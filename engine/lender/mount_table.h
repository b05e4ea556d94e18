#ifndef ENGINE_LENDER_MOUNT_TABLE_H
#define ENGINE_LENDER_MOUNT_TABLE_H

#include "base/err.h"

/* The lender's answer to 'v' (lender_wire.h): what /proc/self/mountinfo says. */
int mount_table_tell(int socket, struct err *e);

/* One line of /proc/self/mountinfo: the mount point, the file system's type, and of an overlay its
 * upper directory ("" if it has none); the caller's, without the kernel's escapes.  0 if it is no
 * such line: then nothing is returned. */
int mount_table_parse(const char *line, char **ret_point, char **ret_type, char **ret_upper);

#endif
