#ifndef JOBS_IMPORT_IMPORT_RECORD_H
#define JOBS_IMPORT_IMPORT_RECORD_H

#include "engine/engine.h"
#include "jobs/import/expected_members.h"
#include "store/write/ingest.h"

/*
 * The record of an imported backup, as far as its manifest tells: of its freeze, its passes and its
 * hooks nothing is known.
 */
struct import_record {
	const struct expected *expected;
	const json_t *addresses; /* host_diff.h */
	struct engine *engine;	 /* to be compared with that of the manifest */
	struct ingest_totals totals;
	const char *format;   /* of an archive that another tool made, else NULL */
	int64_t packed_bytes; /* of the upload */
	int64_t duration_ms;  /* of the import */
};

/* A backup of that id in ${store}: 1 a complete one, 0 none, -1: ERR_CONFLICT (another state). */
int import_record_find(struct store *store, const struct expected *p, struct err *e);

/**
 * import_record_commit(r, store, ingest, recipe, e):
 * Put it on the list.  Its time is the manifest's millisecond, and within it a random nanosecond: a
 * backup that was deleted and comes again is told from the deleted one by id and time
 * (store/gc/tombstones.h).  ERR_CONFLICT if the id is there meanwhile.
 */
int import_record_commit(const struct import_record *r, struct store *store, struct ingest *ingest,
	const struct recipe *recipe, struct err *e);

#endif
