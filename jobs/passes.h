#ifndef JOBS_PASSES_H
#define JOBS_PASSES_H

#include <jansson.h>
#include <stdint.h>

#include "archive/segments.h"
#include "base/err.h"
#include "jobs/freeze.h"
#include "jobs/inventory.h"
#include "jobs/operations.h"
#include "jobs/spool.h"
#include "store/ingest.h"

/*
 * The passes over a backup's sources:
 *	measure	stat only: what is not known to the segment cache, for the estimate;
 *	live	everything runs: what the cache does not know is ingested and remembered;
 *	frozen	everything stands still: what the cache does not know goes to the spool.
 * The frozen pass alone decides what the backup holds; the others only make it short.
 */
enum pass_kind { PASS_MEASURE, PASS_LIVE, PASS_FROZEN };

/* The freeze is given up when the frozen pass has not ended by then: better no backup this time
 * than services that stand still.  Ten seconds is what clients with default time-outs bear. */
enum { MAX_FREEZE_MS = 10 * 1000 };

struct passes {
	struct operation *operation;
	struct ingest *ingest;
	struct inventory *inventory;
	struct lender *lender;
	size_t *roots; /* of source i: its number with the lender */
	bool mark_unreadable;
	bool incomplete; /* something was left out */
	/* of the frozen pass */
	struct freeze *freeze;
	struct spool *spool;
	int64_t sockets;
	int64_t changed;
};

struct pass_result {
	int64_t bytes;	/* read, or to be read (measure) */
	int64_t files;	/* in segments that were read */
	int64_t reused; /* bytes of segments that were re-used */
	int64_t duration_ms;
};

int passes_run(
	struct passes *p, enum pass_kind kind, struct pass_result *ret_result, struct err *e);

/**
 * passes_collect(p, recipes, e):
 * After the thaw: ingest what the frozen pass spooled; the chunks of source i are appended to
 * ${recipes}[i].
 */
int passes_collect(struct passes *p, struct recipe *recipes, struct err *e);

json_t *pass_json(enum pass_kind kind, const struct pass_result *result);

#endif
