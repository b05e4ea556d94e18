#ifndef ENGINE_LENDER_LENDER_PATHS_H
#define ENGINE_LENDER_LENDER_PATHS_H

#include "base/buf.h"

/* The texts in ${text}, each with a NUL behind it, as lender_opaque returns them. */
char **lender_paths_split(const struct buf *text);

#endif
