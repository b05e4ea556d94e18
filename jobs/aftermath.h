#ifndef JOBS_AFTERMATH_H
#define JOBS_AFTERMATH_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "store/store.h"

/*
 * What an earlier run of this service left, as its notes in <store>/run and the engine tell.
 */

/* Thaw what it left frozen; the names to ${ret_thawed} (a new array; NULL: not wanted). */
int aftermath_thaw(struct store *s, struct engine *g, json_t **ret_thawed, struct err *e);

/* Put all of it right: frozen containers first, then hooks, restores, lenders, files.  Not while an
 * operation runs. */
int aftermath_settle(struct store *s, struct engine *g, struct err *e);

#endif
