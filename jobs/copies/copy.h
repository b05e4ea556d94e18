#ifndef JOBS_COPIES_COPY_H
#define JOBS_COPIES_COPY_H

#include "jobs/copies/copies.h"
#include "jobs/operations/operations.h"

/*
 * Copying a backup to a destination in the destination's form: as packs
 * (jobs/copies/packs/packs_copy.h), or as its plain archive: `archives/ID.tar.zst`, and last
 * `archives/ID.tar.zst.sha256`, as sha256sum writes it: where that is, the other is whole.  Nothing
 * that is there is replaced.  While containers are frozen nothing is read and nothing is sent.
 */
struct copy_request {
	struct store *store; /* borrowed, all three */
	struct copies *copies;
	struct operations *operations;
	char *backup;
	char *destination;
	char *host; /* as the engine has its name; "" if it is not known */
};

void copy_request_free(void *request);

/* Whether it could begin: the destination is there and may have it.  ERR_NOT_FOUND, ERR_FORBIDDEN.
 */
int copy_check(struct store *s, const char *destination, struct err *e);

/* An operation_run; its state is recorded in ${copies} either way. */
int copy_run(struct operation *o, void *request, json_t **ret_result, struct err *e);

#endif
