#ifndef ENGINE_LENDER_HIDDEN_ATTRIBUTES_H
#define ENGINE_LENDER_HIDDEN_ATTRIBUTES_H

#include <stdint.h>

#include "base/err.h"

/*
 * Attributes that a walk of the service does not see: trusted.*, which want SYS_ADMIN, or of these
 * only overlay's own where the service has that; in a layer overlay's are its marks, and no loss.
 */
enum { HIDDEN_LAYER = 1, HIDDEN_OVERLAY_ONLY = 2 };

/* A tree is searched for so long: then what was found by then is told. */
enum { HIDDEN_MS = 2000 };

/**
 * hidden_attributes_tell(socket, root_fd, flags, e):
 * The lender's answer to 't' (lender_wire.h): "COUNT PATH" of what has such attributes below
 * ${root_fd}, a folder or a file, and of the first one found; nothing if there is none.  Follows no
 * link, crosses no file system; what cannot be looked at has none.
 */
int hidden_attributes_tell(int socket, int root_fd, uint32_t flags, struct err *e);

#endif
