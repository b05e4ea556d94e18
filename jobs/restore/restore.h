#ifndef JOBS_RESTORE_RESTORE_H
#define JOBS_RESTORE_RESTORE_H

#include <jansson.h>

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * Bringing a backup's whole stack back (docs/design/design.md section 7).
 *
 *	verify ─> images, networks, volumes ─> stop ─> rename aside, create ─> extract beside
 *	       ─> swap ─> start, await ─> remove what was set aside
 *
 * Until the swap nothing of the old is lost; a failure before the last step undoes all steps, and
 * so does the next start if this one is killed (rollback.h).
 */
int restore_run(struct operation *o, void *arg, json_t **ret_result, struct err *e);
void restore_request_free(void *arg);

/* Free what ${r} holds, but not ${r} itself nor its request. */
void restore_clear(struct restore *r);

/* Fill ${r} from {"host_paths", "astute", "tags", "dry_run": bool, "only": object, "as", "confirm":
 * text} or NULL; ERR_INVALID.  ${r->only}, ${r->as} and ${r->confirm} are the caller's in any case.
 */
int restore_parse(const json_t *request, struct restore_request *r, struct err *e);

/* Whoever overwrites a whole host says with which backup: 0 if ${r} names ${backup} in `confirm`,
 * or names none and is a dry run or has parts; else ERR_INVALID. */
int restore_confirmed(const struct restore_request *r, const char *backup, struct err *e);

/* Take tasks of Swarm off the contents, which earlier versions put there: beside those that Swarm
 * makes they would write to the same volumes.  Each is told. */
void restore_leave_tasks(struct restore *r);

/* Take the containers off the contents that cannot be made, for want of their image; each is told.
 */
int restore_leave_imageless(struct restore *r, struct err *e);

#endif
