#ifndef JOBS_HIDDEN_H
#define JOBS_HIDDEN_H

#include "jobs/sources/inventory.h"
#include "jobs/sources/roots.h"

/**
 * hidden_tell(v, roots):
 * Warn of each source of ${v} with attributes trusted.* that the backup does not hold, and of how
 * many files.  Only who has SYS_ADMIN can set them: looked at are the layers, volumes and binds of
 * containers that have it (docker in docker).  A search that fails is told likewise.
 */
void hidden_tell(struct inventory *v, const struct roots *roots);

#endif
