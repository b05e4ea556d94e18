#ifndef ENGINE_LENDER_GUARD_LEND_H
#define ENGINE_LENDER_GUARD_LEND_H

#include "engine/lender/cgroups.h"
#include "engine/lender/lender_wire.h"

/**
 * guard_lend(c, socket, m, e):
 * Send the descriptors of the freezers of those containers that ${m} names, as far as there are
 * any, to ${socket} (lender_wire.h).  ERR_UNSUPPORTED if ${c} is NULL.
 */
int guard_lend(struct cgroups *c, int socket, const struct wire_message *m, struct err *e);

#endif
