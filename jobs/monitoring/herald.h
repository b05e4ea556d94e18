#ifndef JOBS_HERALD_H
#define JOBS_HERALD_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/monitoring/figures.h"
#include "transfer/notify.h"

/*
 * Tells people by a webhook (docs/monitoring.md): of an operation that succeeded or failed, of
 * damage, and of a backup that is overdue, which a thread of its own finds out each minute.
 */
struct herald;
struct host_facts;
struct jobs;

struct herald_options {
	const char *url;       /* NULL: nobody is told; whether one is overdue is found out */
	bool text;	       /* {"text": …}, as chats want it, instead of the whole */
	const char *on;	       /* "success,failure,damaged,overdue" or some of them */
	int64_t overdue_hours; /* 0: by the schedule alone */
	/* The figures now. */
	int (*figures)(struct jobs *jobs, struct figures *ret_figures, struct err *e);
	struct jobs *jobs;
	struct engine *engine;	  /* borrowed */
	struct host_facts *facts; /* borrowed: asked each minute; messages name the host by them */
};

/* How long after its time a scheduled backup that was not begun is overdue. */
enum { HERALD_GRACE_SECONDS = 15 * 60 };

/**
 * herald_overdue_why(o, f, now_ns, runs_ns, summary):
 * Pure: whether a backup of the default plan should have been there by ${now_ns}, for a service
 * that has run for ${runs_ns}; ${summary} says so.  A time that is still to come is none.
 */
bool herald_overdue_why(const struct herald_options *o, const struct figures *f, int64_t now_ns,
	int64_t runs_ns, char summary[256]);

int herald_open(const struct herald_options *options, struct herald **ret_herald, struct err *e);
void herald_begin(struct herald *h); /* from now on it looks for what is overdue */
void herald_stop(struct herald *h);  /* idempotent; NULL: nothing */
void herald_close(struct herald *h); /* NULL: nothing */

/* An operation has ended; never waits. */
void herald_ended(struct herald *h, const json_t *document);

bool herald_overdue(struct herald *h);
struct notify_counts herald_counts(struct herald *h);

#endif
