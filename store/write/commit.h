#ifndef STORE_WRITE_COMMIT_H
#define STORE_WRITE_COMMIT_H

#include "store/write/session.h"

/* See ingest_commit; the backup's record in the pack is described in payload.h. */
int commit_backup(struct ingest *in, const char *id, const char *record,
	const struct recipe *recipe, struct err *e);

#endif
