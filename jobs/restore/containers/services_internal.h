#ifndef JOBS_RESTORE_CONTAINERS_SERVICES_INTERNAL_H
#define JOBS_RESTORE_CONTAINERS_SERVICES_INTERNAL_H

#include "jobs/restore/containers/services.h"

/* What the files of services share; nobody else includes it. */

/* Whether a service (${before} of r->services) can be scaled to none and back: jobs cannot. */
bool services_can_stop(const json_t *before);

#endif
