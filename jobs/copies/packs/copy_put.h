#ifndef JOBS_COPIES_PACKS_COPY_PUT_H
#define JOBS_COPIES_PACKS_COPY_PUT_H

#include "jobs/copies/packs/copy_state.h"
#include "jobs/copies/packs/packs_copy.h"
#include "store/read/backup_packs.h"

/* One run of packs_copy_put, and its single puts. */
struct copy_run {
	struct store *store;
	const struct packs_copy_options *options;
	const char *id; /* the backup's */
	struct packs_copy_totals *totals;
	struct replay *lease; /* no pack of the backup goes while it is held */
	struct copy_state state;
	struct backup_packs backup;
	struct copy_index index; /* of the packs that were put and are in no index yet */
	char keys[COPY_KEYS_HASH + 1];
	int64_t done, total; /* bytes of packs */
};

/* Wait until nothing is frozen; ${once}: a moment in any case.  ERR_CANCELLED. */
int copy_pause(struct copy_run *r, bool once, struct err *e);

/* An object below the store's name.  That it is there already, with these bytes as it seems, is
 * what an earlier run did. */
int copy_put_bytes(
	struct copy_run *r, const char *name, const void *data, size_t len, struct err *e);

/* The ${at}-th pack of the backup, verified, and into the index with it. */
int copy_put_pack(struct copy_run *r, size_t at, struct err *e);

/* The index, if it has any pack; then an empty one. */
int copy_put_index(struct copy_run *r, struct err *e);

/* The head, ${name} = ID.CREATED_NS. */
int copy_put_head(struct copy_run *r, const char *name, struct err *e);

#endif
