#ifndef JOBS_PRECONDITIONS_H
#define JOBS_PRECONDITIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "store/open/store.h"

/* What a request must pass before an operation starts. */

/* {"force": bool} stands besides what else a request says: it is taken out of the copy
 * ${ret_rest}, which is NULL if nothing is left. */
int preconditions_force(const json_t *request, json_t **ret_rest, bool *ret_force, struct err *e);

/* ERR_NO_SPACE if the store has no room for any backup. */
int preconditions_space(struct store *s, struct err *e);

#endif
