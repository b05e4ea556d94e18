#ifndef JOBS_BACKUP_PASSES_H
#define JOBS_BACKUP_PASSES_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive/write/segments.h"
#include "base/err.h"
#include "engine/lender/lender.h"
#include "jobs/backup/live_pages.h"
#include "jobs/backup/spool.h"
#include "jobs/freeze/freeze.h"
#include "jobs/operations/operations.h"
#include "jobs/sources/inventory.h"
#include "store/write/ingest.h"

/*
 * The passes over a backup's sources:
 *	measure	stat only: what is not known to the segment cache, for the estimate (and whose turn
 *		it is to be read again, is);
 *	live	everything runs: what the cache does not know is ingested and remembered; of a
 *		large file that an earlier live pass has read only the pages that differ are kept;
 *	frozen	everything stands still: what the cache does not know goes to the spools, of large
 *		files again only pages.
 * The frozen pass alone decides what the backup holds; the others only make it short.
 *
 * A pass walks its sources in several threads (walker.h is one walk), each source in two parts.
 */
enum pass_kind { PASS_MEASURE, PASS_LIVE, PASS_FROZEN };

/* A stat walk is bound by the kernel's work for each file and scales with the cores; more than four
 * contend for the segment cache. */
enum { PASS_THREADS_MAX = 4, PASS_PARTS = 2, PASS_MARKED_MAX = 1000 };

struct pass_result {
	int64_t bytes;	/* read, or to be read (measure) */
	int64_t files;	/* in segments that were read */
	int64_t reused; /* bytes of segments that were re-used */
	int64_t reused_files;
	int64_t copied;	 /* bytes that were not known and were kept: to the store, spooled, pages */
	int64_t suspect; /* segments that were read again by a measure, and are not as they are
			    known */
	int64_t duration_ms;
};

struct passes {
	struct operation *operation;
	struct ingest *ingest;
	struct inventory *inventory;
	struct lender *lender;
	size_t *roots; /* of source i: its number with the lender */
	int run_fd;
	int64_t reread;	  /* one segment of so many is read again in each backup; 0: none */
	int64_t round;	  /* which: those whose key is round modulo ${reread} */
	bool reread_done; /* a pass has done so and found all as it is known, or has judged it */
	int64_t live_bytes_s; /* limit of the live passes, 0: none */
	struct freeze *freeze;
	bool copies_all; /* frozen: large files, too, that no live pass has read */

	pthread_mutex_t mutex; /* guards the ingest, the lender, the inventory and what follows */
	int64_t sockets;
	json_t *marked; /* paths that changed while the frozen pass read them */
	int64_t reread_segments, healed;
	int64_t paced_ns, paced_bytes; /* since when, and how much, the limit counts */

	struct live_pages *pages;
	struct spool_room room;
	struct spool *
		*spools;  /* of the frozen pass: of source i and part k at PASS_PARTS * i + k */
	int64_t *cost_ns; /* of each walk of the pass before */
	struct tree_changes *changes; /* of source i, in the present pass: walker_layer.c */
	int64_t synced_ns; /* when the pass before its walks began; 0: not all could be synced */
	struct crew *crew; /* of the present pass: threads that have no walk left */
	atomic_bool stop;  /* one walk has failed */
};

/* What a source's whole tree has that it did not begin with: found by the first walk that asks. */
struct tree_changes {
	pthread_mutex_t mutex;
	struct changes *found;
};

/* Fill in what is not a setting.  ${p}->inventory, ->run_fd and ->room.hidden must be set. */
void passes_init(struct passes *p);
void passes_clear(struct passes *p);

/**
 * passes_run(p, kind, threads, ret_result, e):
 * One pass in up to ${threads} threads (0: as many as there are cores).  PASS_FROZEN replaces what
 * an earlier one spooled.
 */
int passes_run(struct passes *p, enum pass_kind kind, size_t threads,
	struct pass_result *ret_result, struct err *e);

/**
 * passes_collect(p, recipes, e):
 * After the thaw: ingest what the frozen pass spooled; the chunks of source i are appended to
 * ${recipes}[i].
 */
int passes_collect(struct passes *p, struct recipe *recipes, struct err *e);

json_t *pass_json(enum pass_kind kind, const struct pass_result *result);

#endif
