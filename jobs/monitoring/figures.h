#ifndef JOBS_MONITORING_FIGURES_H
#define JOBS_MONITORING_FIGURES_H

#include <stdint.h>

#include "base/histogram.h"
#include "jobs/copies/copies.h"
#include "jobs/operations/operations.h"
#include "jobs/plan/plan.h"
#include "store/catalogue/figures.h"
#include "store/open/store.h"
#include "transfer/notify.h"

/*
 * What there is to be measured, for GET /metrics and for notifications.  What stands in the
 * catalogue outlives a restart; the counts of ended operations begin with the process.
 */

/* Of the newest FIGURES_BACKUPS backups, those of one plan.  At most FIGURES_PLANS plans are told
 * apart, the newest ones: a plan is a request's, so their number is not ours. */
enum { FIGURES_BACKUPS = 200, FIGURES_PLANS = 20, FIGURES_PLAN_NAME = 17, FIGURES_KINDS = 9 };

struct figures_plan {
	char name[FIGURES_PLAN_NAME]; /* "default", or 16 hex digits of the plan's hash */
	char id[ID_SIZE];	      /* of the newest complete one; "" if there is none */
	int64_t success_ns;	      /* when that one was begun */
	int64_t partial_ns;	      /* the newest partial one; 0: none */
	int64_t failure_ns;	      /* the newest failed one; 0: none */
	int64_t omitted;	      /* objects that the newest of the two left out */
	int64_t duration_ms, freeze_ms, freeze_max_ms; /* of the newest complete one; of all */
	int64_t size_bytes, stored_bytes, archive_bytes;
};

struct figures_count {
	char kind[16];
	char state[16];
	int64_t count;
};

enum { FIGURES_DESTINATIONS = 32 };

struct figures {
	struct figures_plan plans[FIGURES_PLANS];
	int plans_count;
	struct figures_backups backups;
	struct store_stats store;
	int64_t free_bytes;
	int64_t chunks_bad;
	int64_t scrub_ns; /* when the last scrub without a fault ended; 0: none in seven days */
	struct figures_count ended[FIGURES_KINDS * 4];
	int ended_count;
	struct histogram backup_s, freeze_s; /* of backups that succeeded since the start */
	/* Filled by jobs_figures. */
	int64_t running;			    /* operations that run or are queued */
	int64_t schedule_last_ns, schedule_next_ns; /* 0: never; no schedule */
	int64_t rehearsals_last_ns, rehearsals_next_ns;
	struct copies_figures copies[FIGURES_DESTINATIONS];
	size_t copies_count;
	bool overdue;
	struct notify_counts notified;
};

/* Counts operations that end, and remembers what is dear to find out.  Thread-safe. */
struct tally;
struct tally *tally_new(void);
void tally_free(struct tally *t); /* NULL: nothing */
void tally_ended(struct tally *t, const json_t *document);

/* ${plan}: the default one. */
int figures_take(struct tally *t, struct store *s, struct operations *ops, const struct plan *plan,
	struct figures *ret_figures, struct err *e);

#endif
