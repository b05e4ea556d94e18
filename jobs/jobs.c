#include "jobs/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/text.h"
#include "jobs/backup/backup.h"
#include "jobs/backup/estimate.h"
#include "jobs/freeze/freeze.h"
#include "jobs/import/foreign_import.h"
#include "jobs/maintenance/latest_backup.h"
#include "jobs/maintenance/scrub_job.h"
#include "jobs/monitoring/coverage.h"
#include "jobs/monitoring/health.h"
#include "jobs/recovery/startup_recovery.h"
#include "jobs/state.h"
#include "store/gc/sweep.h"

int
jobs_load_plan(const struct jobs *j, const json_t *request, struct plan **ret_plan, struct err *e)
{
	if (request == NULL && j->plan_path != NULL)
		return plan_load(j->plan_path, ret_plan, e);
	return plan_parse(request, ret_plan, e);
}

/* The last run ended between a deletion and its sweep. */
static void
sweep_what_was_deleted(struct jobs *j)
{
	char id[ID_SIZE];
	struct err ignored;

	if (sweep_due(j->store, &ignored) == 1)
		(void)jobs_sweep(j, id, &ignored);
}

static int
scheduled_backup(void *ctx, char id[ID_SIZE], struct err *e)
{
	return jobs_backup_scheduled(ctx, id, e);
}

/* The newest backup of the default plan. */
static int
scheduled_rehearsal(void *ctx, char id[ID_SIZE], struct err *e)
{
	struct jobs *j = ctx;
	SCOPED(plan_free_at) struct plan *plan = NULL;
	char backup[ID_SIZE];

	if (jobs_load_plan(j, NULL, &plan, e) != 0 || latest_backup(j->store, plan, backup, e) != 0)
		return -1;
	return jobs_rehearse(j, backup, NULL, id, e);
}

static int
scheduled_scrub(void *ctx, char id[ID_SIZE], struct err *e)
{
	struct jobs *j = ctx;
	int64_t bytes;

	return scrub_job_slice(j->store, j->settings.scrub_days, &bytes, e) != 0
		       ? -1
		       : jobs_scrub(j, bytes, id, e);
}

static int
schedule_begin(struct jobs *j, const struct plan *plan, struct err *e)
{
	return scheduler_open(&(struct scheduler_options){.store = j->store,
				      .operations = j->operations,
				      .schedules = {[SCHEDULE_BACKUP] = plan->schedule,
					      [SCHEDULE_REHEARSAL] = plan->rehearsals},
				      .scrub_days = j->settings.scrub_days,
				      .backup = scheduled_backup,
				      .rehearse = scheduled_rehearsal,
				      .scrub = scheduled_scrub,
				      .ctx = j},
		&j->scheduler, e);
}

static void
jobs_ended(void *ctx, const json_t *document)
{
	struct jobs *j = ctx;

	tally_ended(j->tally, document);
	notifier_ended(j->notifier, document);
}

static int
people_begin(struct jobs *j, const struct jobs_options *o, struct err *e)
{
	struct notifier_options notifier = o->notifier;

	notifier.figures = jobs_figures;
	notifier.jobs = j;
	notifier.engine = j->engine;
	notifier.facts = j->facts;
	if (notifier_open(&notifier, &j->notifier, e) != 0)
		return -1;
	operations_watch(j->operations, jobs_ended, j);
	return 0;
}

static bool
is_recovering(void *ctx)
{
	struct jobs *j = ctx;
	bool well;

	json_decref(recovery_brief(j->recovery, &well));
	return !well;
}

static int
own_plan(void *ctx, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;

	return jobs_load_plan(ctx, NULL, &plan, e);
}

static int
health_begin(struct jobs *j, struct err *e)
{
	return health_open(&(struct health_options){.store = j->store,
				   .engine = j->engine,
				   .operations = j->operations,
				   .recovering = is_recovering,
				   .plan = own_plan,
				   .ctx = j},
		&j->health, e);
}

int
jobs_open(const struct jobs_options *o, struct jobs **ret_jobs, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	struct jobs *j = mem_new(sizeof(*j));

	j->store = o->store;
	j->engine = o->engine;
	j->settings = o->settings;
	j->preflight = o->preflight;
	j->preflight_ctx = o->preflight_ctx;
	j->tally = tally_new();
	j->facts = host_facts_new();
	j->plan_path = o->plan_path == NULL ? NULL : mem_string(o->plan_path);
	foreign_import_tidy(j->store);
	if (jobs_load_plan(j, NULL, &plan, e) != 0 ||
		operations_open(o->store, &j->operations, e) != 0 ||
		recovery_open(o->store, o->engine, &j->recovery, e) != 0 ||
		people_begin(j, o, e) != 0 || schedule_begin(j, plan, e) != 0 ||
		health_begin(j, e) != 0 || jobs_copying_begin(j, e) != 0) {
		jobs_stop(j);
		jobs_close(j);
		return -1;
	}
	sweep_what_was_deleted(j);
	notifier_begin(j->notifier);
	*ret_jobs = j;
	return 0;
}

void
jobs_stop(struct jobs *j)
{
	recovery_stop(j->recovery);
	health_stop(j->health);
	notifier_stop(j->notifier);
	scheduler_stop(j->scheduler);
	copier_stop(j->copier);
	if (j->operations != NULL)
		operations_stop(j->operations);
}

void
jobs_close(struct jobs *j)
{
	if (j == NULL)
		return;
	health_close(j->health);
	scheduler_close(j->scheduler);
	copier_close(j->copier);
	operations_close(j->operations);
	copies_close(j->copies);
	notifier_close(j->notifier);
	tally_free(j->tally);
	host_facts_free(j->facts);
	recovery_close(j->recovery);
	free(j->plan_path);
	free(j);
}

struct operations *
jobs_operations(struct jobs *j)
{
	return j->operations;
}

int
jobs_plan(struct jobs *j, json_t **ret_plan, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;

	if (jobs_load_plan(j, NULL, &plan, e) != 0)
		return -1;
	recovery_settled(j->recovery);
	if (estimate_take(
		    &(struct backup_request){j->store, j->engine, plan, &j->settings, false, NULL},
		    ret_plan, e) != 0)
		return -1;
	(void)json_object_set_new(
		*ret_plan, "rehearsals", scheduler_json(j->scheduler, SCHEDULE_REHEARSAL));
	return json_object_set_new(
		*ret_plan, "schedule", scheduler_json(j->scheduler, SCHEDULE_BACKUP));
}

int
jobs_coverage(struct jobs *j, json_t **ret_coverage, struct err *e)
{
	return coverage_take(j->store, j->engine, clock_real_ns(), ret_coverage, e);
}

int
jobs_thaw(struct jobs *j, json_t **ret_thawed, struct err *e)
{
	json_t *names = json_array();

	/* The backup that runs thaws its own, and fails; else what an earlier one left. */
	if (!freeze_interrupt(FREEZE_BY_HAND, names)) {
		json_decref(TAKE(names));
		if (startup_recovery_thaw(j->store, j->engine, &names, e) != 0)
			return -1;
	}
	*ret_thawed = json_pack("{s:o}", "thawed", names);
	return 0;
}

int
jobs_figures(struct jobs *j, struct figures *f, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	SCOPED(json_decref_at) json_t *alive = operations_alive(j->operations);
	struct runs runs = {0}, rehearsals = {0};

	if (jobs_load_plan(j, NULL, &plan, e) != 0 ||
		figures_take(j->tally, j->store, j->operations, plan, f, e) != 0)
		return -1;
	(void)scheduler_runs(j->scheduler, SCHEDULE_REHEARSAL, &rehearsals);
	(void)scheduler_runs(j->scheduler, SCHEDULE_BACKUP, &runs);
	f->running = (int64_t)json_array_size(alive);
	f->schedule_last_ns = runs.last_ns;
	f->schedule_next_ns = runs.next_ns;
	f->rehearsals_last_ns = rehearsals.last_ns;
	f->rehearsals_next_ns = rehearsals.next_ns;
	f->copies_count = copies_figures(j->copies, f->copies, FIGURES_DESTINATIONS);
	f->overdue = notifier_overdue(j->notifier);
	f->notified = notifier_counts(j->notifier);
	return 0;
}

json_t *
jobs_health(struct jobs *j, bool *ret_well)
{
	json_t *health = health_json(j->health, ret_well);
	bool ignored;
	char host[HOST_NAME_SIZE];
	int64_t ahead_ms;

	(void)json_object_set_new(health, "recovery", recovery_brief(j->recovery, &ignored));
	(void)json_object_set_new(health, "host",
		host_facts_name(j->facts, host)[0] == '\0' ? json_null() : text_json(host));
	(void)json_object_set_new(health, "clock_ahead_ms",
		host_facts_clock(j->facts, &ahead_ms) ? json_integer(ahead_ms) : json_null());
	return health;
}

json_t *
jobs_recovery(struct jobs *j)
{
	return recovery_state(j->recovery);
}

int
jobs_recover(struct jobs *j, const json_t *request, json_t **ret_state, struct err *e)
{
	const json_t *abandon = json_object_get(request, "abandon");
	json_t *fields = (json_t *)(uintptr_t)request; /* jansson's iterator takes no const */
	const char *key;
	json_t *value;

	if (request != NULL && !json_is_object(request))
		return err_set(e, ERR_INVALID, "the request is an object, or empty");
	json_object_foreach (fields, key, value) {
		if (value != abandon)
			return err_set(
				e, ERR_INVALID, "unknown field \"%.64s\"; known is: abandon", key);
	}
	if (abandon != NULL && !json_is_boolean(abandon))
		return err_set(e, ERR_INVALID, "\"abandon\" is true or false");
	if (!json_is_true(abandon))
		recovery_retry(j->recovery);
	else if (recovery_abandon(j->recovery, e) != 0)
		return -1;
	*ret_state = recovery_state(j->recovery);
	return 0;
}
