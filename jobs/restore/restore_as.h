#ifndef JOBS_RESTORE_RESTORE_AS_H
#define JOBS_RESTORE_RESTORE_AS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/operations/operations.h"
#include "jobs/restore/restore.h"
#include "store/open/store.h"

/*
 * One part of a backup put beside what is there, under another name (docs/restore.md).
 *
 *	verify ─> note, make ─> extract ─> rename, forget the note
 *	             └───────────────┴──> undo (a failure; at the next start a kill)
 *
 * What is made is a new volume, or a folder or file of the host that was not there, so no container
 * is stopped and nothing is overwritten.  A volume is the operation's while it has the label
 * fuel-backup.beside with the operation's id; a folder or file is filled under a name of ours and
 * gets its own by a rename that replaces nothing.
 */

/**
 * restore_as_check(only, as, e):
 * The form alone: ${only} (selection_check) names one thing, which is no container, and ${as} is a
 * volume's name for a volume, else an absolute path below a folder other than "/".  ERR_INVALID.
 */
int restore_as_check(const json_t *only, const char *as, struct err *e);

/* The one thing that ${only} names, by its list and its name; false if there are more. */
bool restore_as_one(const json_t *only, const char **ret_key, const char **ret_name);

/**
 * restore_as_run(o, request, ret_result, e):
 * ${request}: its `as` is set.  With its `dry_run` nothing is made.  ERR_CONFLICT if something has
 * that name; ERR_NOT_FOUND, ERR_NO_SPACE, ERR_CORRUPT.  After a failure nothing is left.
 */
int restore_as_run(struct operation *o, const struct restore_request *request, json_t **ret_result,
	struct err *e);

/* At a start: remove what one that was cut off had made. */
int restore_as_recover(struct store *store, struct engine *g, struct err *e);

#endif
