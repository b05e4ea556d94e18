#ifndef JOBS_RESTORE_CONTAINERS_DIFFERING_H
#define JOBS_RESTORE_CONTAINERS_DIFFERING_H

#include <jansson.h>

#include "jobs/restore/state/restore_state.h"

/*
 * What is here under a name of the backup, and is something else: tags of images, networks,
 * volumes.  A restore changes none of them by itself.
 */

/**
 * differing_find(r, ret_list, e):
 * Of what ${r} restores: [{"kind": "tag", "network" or "volume", "name", "differs": [field, …],
 * "becomes": "kept" or "replaced"}], of tags also "recorded" and "present", ids of images, and
 * "kept_as", the name that the image here has after it.  A new array.  Asks the engine, and changes
 * nothing.
 */
int differing_find(const struct restore *r, json_t **ret_list, struct err *e);

/* A warning for each of them. */
void differing_tell(struct restore *r);

/* The fields in which two inspects of a network or of a volume (${kind}) differ: a new array. */
json_t *differing_fields(const char *kind, const json_t *recorded, const json_t *present);

#endif
