#ifndef JOBS_MAINTENANCE_PRUNE_H
#define JOBS_MAINTENANCE_PRUNE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "jobs/operations/operations.h"
#include "jobs/plan/keep.h"
#include "jobs/plan/plan.h"
#include "store/open/store.h"

/*
 * Removes what `keep` does not keep: complete and partial backups of one plan that its own schedule
 * made.  Never one that somebody asked for (unless `keep` says `manual`) or imported, a locked one,
 * one of another plan, one that is being read, the newest, nor the newest that a rehearsal has
 * proven. The complete ones are judged among themselves, so that no partial one makes one of them
 * go; a partial one stays if a rule keeps it among all.  One that is damaged is none of those that
 * the rules count, and stays: the next backup may heal it.  So does one whose time cannot be
 * trusted (keep_doubt).
 */
struct prune {
	struct store *store;
	struct operations *operations;
	const struct plan *plan;
	struct keep keep;
	bool dry_run; /* only tell */
};

/**
 * prune_parse(request, p, e):
 * ${request}: NULL or {"keep": {...}, "dry_run": bool}; a `keep` replaces that of
 * ${p}->plan. ERR_INVALID, also if neither has one.
 */
int prune_parse(const json_t *request, struct prune *p, struct err *e);

/**
 * prune_run(p, ret_result, e):
 * A new object {"dry_run", "removed": [{"id", "created_at"}], "kept": [{"id", "created_at",
 * "reasons": ["daily", …, "locked", "damaged", "proven", "manual", "clock", "read"]}]}, both newest
 * first.  The room is given back by a sweep, which is the caller's to start.
 */
int prune_run(const struct prune *p, json_t **ret_result, struct err *e);

#endif
