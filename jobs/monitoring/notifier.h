#ifndef JOBS_MONITORING_NOTIFIER_H
#define JOBS_MONITORING_NOTIFIER_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/monitoring/figures.h"
#include "transfer/notify.h"

/*
 * Tells people by a webhook (docs/monitoring.md): of an operation that succeeded or failed, of
 * damage, and of a backup that is overdue, which a thread of its own finds out each minute.
 */
struct notifier;
struct host_facts;
struct jobs;

struct notifier_options {
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
enum { NOTIFIER_GRACE_SECONDS = 15 * 60 };

/**
 * notifier_overdue_why(o, f, now_ns, runs_ns, summary):
 * Pure: whether a backup of the default plan should have been there by ${now_ns}, for a service
 * that has run for ${runs_ns}; ${summary} says so.  A time that is still to come is none.
 */
bool notifier_overdue_why(const struct notifier_options *o, const struct figures *f, int64_t now_ns,
	int64_t runs_ns, char summary[256]);

int notifier_open(
	const struct notifier_options *options, struct notifier **ret_herald, struct err *e);
void notifier_begin(struct notifier *h); /* from now on it looks for what is overdue */
void notifier_stop(struct notifier *h);	 /* idempotent; NULL: nothing */
void notifier_close(struct notifier *h); /* NULL: nothing */

/* An operation has ended; never waits. */
void notifier_ended(struct notifier *h, const json_t *document);

bool notifier_overdue(struct notifier *h);
struct notify_counts notifier_counts(struct notifier *h);

#endif
