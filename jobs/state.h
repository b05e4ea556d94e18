#ifndef JOBS_STATE_H
#define JOBS_STATE_H

#include <stdbool.h>

#include "jobs/copies/copier.h"
#include "jobs/jobs.h"
#include "jobs/monitoring/figures.h"
#include "jobs/monitoring/health.h"
#include "jobs/monitoring/notifier.h"
#include "jobs/operations/host_facts.h"
#include "jobs/plan/plan.h"
#include "jobs/recovery/recovery.h"
#include "jobs/scheduler.h"

/* What jobs.c and requests.c share; nobody else includes it. */
struct jobs {
	struct store *store;
	struct engine *engine;
	char *plan_path;
	struct settings settings;
	struct operations *operations;
	struct scheduler *scheduler;
	struct tally *tally;
	struct notifier *notifier;
	struct host_facts *facts;
	struct health *health;
	int (*preflight)(void *ctx, struct err *e);
	void *preflight_ctx;
	struct recovery *recovery;
	struct copies *copies;
	struct copier *copier;
};

/* As jobs_backup of the default plan, begun by its schedule: its `keep` may remove the backup
 * later. */
int jobs_backup_scheduled(struct jobs *j, char id[ID_SIZE], struct err *e);

/* Read what is known of copies, and begin those that are due, from now on. */
int jobs_copying_begin(struct jobs *j, struct err *e);

/* The backup of ${o} is made: it is to be copied to these (an array of names; NULL: none), in
 * operations of their own. */
void jobs_copy_after(
	struct jobs *j, struct operation *o, const json_t *destinations, json_t *result);

/* Backups that are gone: ${removed}, an array of {"id"}. */
void jobs_copies_pruned(struct jobs *j, const json_t *removed);

/* A request's plan; the default one if ${request} is NULL. */
int jobs_load_plan(
	const struct jobs *j, const json_t *request, struct plan **ret_plan, struct err *e);

#endif
