#ifndef ENGINE_OVERLAYS_H
#define ENGINE_OVERLAYS_H

#include "base/err.h"

/* The lender's answer to 'v' (lender_wire.h): what /proc/self/mountinfo has of overlays. */
int overlays_tell(int socket, struct err *e);

/* One line of /proc/self/mountinfo: 1 if it is an overlay with an upper directory; the paths
 * without the kernel's escapes, the caller's. */
int overlays_parse(char *line, char **ret_point, char **ret_upper);

#endif
