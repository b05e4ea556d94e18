#ifndef JOBS_LACKING_H
#define JOBS_LACKING_H

#include <jansson.h>

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * What a container that is made refers to and this host does not have: it is made without, rather
 * than not at all, and that is told; by a dry run in advance.
 */

/**
 * lacking_drop(r, body, lost, e):
 * Take off the ${body} of a create what the engine would refuse because the host lacks it: devices,
 * the runtime, mounts of what is not there and is not put back.  ${lost} gets a text for each.
 */
int lacking_drop(struct restore *r, json_t *body, json_t *lost, struct err *e);

/* Warn of each text of ${lost}, of a container that ${was} ("was", "will be") made. */
void lacking_tell(
	struct restore *r, struct restore_container *item, const json_t *lost, const char *was);

/* Of a dry run, after restore_data_open: warn of what each container that would be made will
 * lack. */
int lacking_foresee(struct restore *r, struct err *e);

#endif
