#ifndef JOBS_RESTORE_CONTAINERS_OUTSIDERS_H
#define JOBS_RESTORE_CONTAINERS_OUTSIDERS_H

#include "jobs/restore/state/restore_state.h"

/**
 * outsiders_add(r, e):
 * After restore_data_open: containers that run, are no part of the backup, and use data that may be
 * written to, or the namespaces of a container that may be stopped, join the items as bystanders:
 * they are stopped and started like the others, if they must be (impact.h), and never made again.
 * ERR_CONFLICT names one that cannot be: it is excluded from all that this service does, or what it
 * names by id has to be made again.
 */
int outsiders_add(struct restore *r, struct err *e);

#endif
