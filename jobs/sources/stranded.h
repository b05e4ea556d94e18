#ifndef JOBS_SOURCES_STRANDED_H
#define JOBS_SOURCES_STRANDED_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/engine.h"

/*
 * Volumes that a lender would leave behind: the engine removes the anonymous volumes of a container
 * that was started with --rm when it ends, but not one that is in use, and a lender uses it.  So
 * whoever lent them removes them afterwards, as the engine would have.
 */

/* Those of ${containers} (inspects) that this may happen to; a new array. */
json_t *stranded_note(const json_t *containers);

/* After the lender is gone: remove the volumes of the containers in ${note} that are gone too. */
void stranded_remove(struct engine *g, const json_t *note);

/* Whether ${volume} is the name of an anonymous one. */
bool stranded_is_anonymous(const char *volume);

#endif
