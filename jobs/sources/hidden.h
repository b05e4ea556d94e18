#ifndef JOBS_SOURCES_HIDDEN_H
#define JOBS_SOURCES_HIDDEN_H

#include "jobs/sources/inventory.h"
#include "jobs/sources/roots.h"

/*
 * Attributes trusted.*, which only who has SYS_ADMIN can set and see.
 */

/* Mark the sources of ${v} that are captured with them (plan_source.trusted): the layers, volumes
 * and binds of containers that have SYS_ADMIN (docker in docker).  Before anything is walked. */
void hidden_mark(struct inventory *v);

/**
 * hidden_tell(v, roots):
 * Warn of each other source of ${v} in which somebody has set such attributes nevertheless, a
 * process of the host or a container that is gone, and of how many files: the backup does not hold
 * them.  A search that fails is told likewise; all together take some seconds at most.
 */
void hidden_tell(struct inventory *v, const struct roots *roots);

#endif
