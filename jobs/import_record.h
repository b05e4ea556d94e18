#ifndef JOBS_IMPORT_RECORD_H
#define JOBS_IMPORT_RECORD_H

#include "jobs/promises.h"
#include "store/ingest.h"

/*
 * The record of an imported backup, as far as its manifest tells: of its freeze, its passes and its
 * hooks nothing is known.
 */
struct import_record {
	const struct promises *promises;
	struct ingest_totals totals;
	int64_t packed_bytes; /* of the upload */
	int64_t duration_ms;  /* of the import */
};

/* The JSON text; the caller's, NULL if it cannot be encoded. */
char *import_record_text(const struct import_record *r);

/*
 * The time under which it is listed: the manifest's millisecond, and within it a random nanosecond,
 * since a backup that was deleted and comes again is told from the deleted one by its id and its
 * time (store/deletions.h).
 */
int64_t import_record_created(const struct promises *p);

#endif
