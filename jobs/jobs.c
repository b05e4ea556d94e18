#include "jobs/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "jobs/aftermath.h"
#include "jobs/capture.h"
#include "jobs/contents.h"
#include "jobs/health.h"
#include "jobs/inspect.h"
#include "jobs/patrol.h"
#include "jobs/plan.h"
#include "jobs/preview.h"
#include "jobs/prune.h"
#include "jobs/restore.h"
#include "jobs/scheduler.h"
#include "jobs/tidy.h"
#include "store/backups.h"
#include "store/sweep.h"

/* While the engine does not answer after a start, what is left over waits for it. */
enum { RECOVER_SECONDS = 2 };

struct jobs {
	struct store *store;
	struct engine *engine;
	char *plan_path;
	struct settings settings;
	struct operations *operations;
	struct scheduler *scheduler;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t recovery; /* until the engine answered once */
	bool recovering;    /* it has not yet */
	bool stopping;
};

static int
load_plan(const struct jobs *j, const json_t *request, struct plan **ret_plan, struct err *e)
{
	if (request == NULL && j->plan_path != NULL)
		return plan_load(j->plan_path, ret_plan, e);
	return plan_parse(request, ret_plan, e);
}

static void *
recover_later(void *ctx)
{
	struct jobs *j = ctx;
	struct err e;
	LOCKED(&j->mutex);

	while (!j->stopping) {
		struct timespec until;
		int status;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += RECOVER_SECONDS;
		(void)pthread_cond_timedwait(&j->changed, &j->mutex, &until);
		if (j->stopping)
			break;
		(void)pthread_mutex_unlock(&j->mutex);
		status = aftermath_settle(j->store, j->engine, &e);
		(void)pthread_mutex_lock(&j->mutex);
		if (status == 0 || e.code != ERR_UNREACHABLE) {
			if (status != 0)
				log_error("after the start: %s", e.text);
			break;
		}
	}
	j->recovering = false;
	return NULL;
}

static int
recover_now(struct jobs *j, struct err *e)
{
	if (aftermath_settle(j->store, j->engine, e) == 0)
		return 0;
	if (e->code != ERR_UNREACHABLE) { /* the next operation tries, and tells it again */
		log_error("what an earlier run left could not be put right: %s", e->text);
		return 0;
	}
	log_warn("the engine does not answer yet: %s", e->text);
	j->recovering = true;
	if (pthread_create(&j->recovery, NULL, recover_later, j) != 0)
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	return 0;
}

static void
locks_init(struct jobs *j)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&j->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&j->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
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
	return jobs_backup(ctx, NULL, id, e);
}

static int
scheduled_scrub(void *ctx, char id[ID_SIZE], struct err *e)
{
	struct jobs *j = ctx;
	int64_t bytes;

	return patrol_slice(j->store, j->settings.scrub_days, &bytes, e) != 0
		       ? -1
		       : jobs_scrub(j, bytes, id, e);
}

static int
schedule_begin(struct jobs *j, const struct plan *plan, struct err *e)
{
	return scheduler_open(&(struct scheduler_options){.store = j->store,
				      .operations = j->operations,
				      .schedule = plan->schedule,
				      .scrub_days = j->settings.scrub_days,
				      .backup = scheduled_backup,
				      .scrub = scheduled_scrub,
				      .ctx = j},
		&j->scheduler, e);
}

int
jobs_open(const struct jobs_options *o, struct jobs **ret_jobs, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	struct jobs *j = mem_new(sizeof(*j));

	j->store = o->store;
	j->engine = o->engine;
	j->settings = o->settings;
	j->plan_path = o->plan_path == NULL ? NULL : mem_string(o->plan_path);
	locks_init(j);
	if (load_plan(j, NULL, &plan, e) != 0 || recover_now(j, e) != 0 ||
		operations_open(o->store, &j->operations, e) != 0 ||
		schedule_begin(j, plan, e) != 0) {
		jobs_stop(j);
		jobs_close(j);
		return -1;
	}
	sweep_what_was_deleted(j);
	*ret_jobs = j;
	return 0;
}

void
jobs_stop(struct jobs *j)
{
	bool join;

	(void)pthread_mutex_lock(&j->mutex);
	j->stopping = true;
	join = j->recovery != 0;
	(void)pthread_cond_broadcast(&j->changed);
	(void)pthread_mutex_unlock(&j->mutex);
	if (join)
		(void)pthread_join(j->recovery, NULL);
	j->recovery = 0;
	scheduler_stop(j->scheduler);
	if (j->operations != NULL)
		operations_stop(j->operations);
}

void
jobs_close(struct jobs *j)
{
	if (j == NULL)
		return;
	scheduler_close(j->scheduler);
	operations_close(j->operations);
	(void)pthread_cond_destroy(&j->changed);
	(void)pthread_mutex_destroy(&j->mutex);
	free(j->plan_path);
	free(j);
}

struct operations *
jobs_operations(struct jobs *j)
{
	return j->operations;
}

static int
check_space(const struct jobs *j, struct err *e)
{
	const int64_t have = store_free_bytes(j->store, e);

	if (have < 0)
		return -1;
	if (have >= SPACE_MIN_BYTES)
		return 0;
	return err_set(e, ERR_NO_SPACE,
		"the store %s has %lld MiB left; a backup wants at least %lld: make room, or "
		"delete "
		"backups",
		store_path(j->store), (long long)(have >> 20), (long long)(SPACE_MIN_BYTES >> 20));
}

/* The engine answers now, not only some time ago, and what an earlier run left has been seen to. */
static int
ping(struct jobs *j, struct err *e)
{
	SCOPED(json_decref_at) json_t *version = NULL;
	bool recovering;

	(void)pthread_mutex_lock(&j->mutex);
	recovering = j->recovering;
	(void)pthread_mutex_unlock(&j->mutex);
	if (recovering)
		return err_set(e, ERR_UNREACHABLE,
			"the engine did not answer when this service started, and what an earlier "
			"run left is not put right yet: try again in some seconds");

	return engine_version(j->engine, &version, e);
}

/* A backup, and what follows it. */
struct backup_request {
	struct jobs *jobs;
	struct capture_request *capture;
};

/* The backup is complete, whatever becomes of this. */
static void
prune_after(struct jobs *j, const struct plan *plan, json_t *result)
{
	const struct prune p = {
		.store = j->store, .operations = j->operations, .plan = plan, .keep = plan->keep};
	SCOPED(json_decref_at) json_t *pruned = NULL;
	char id[ID_SIZE];
	struct err e;

	if (prune_run(&p, &pruned, &e) != 0) {
		log_warn("older backups could not be pruned: %s", e.text);
		(void)json_object_set_new(result, "prune_error", problem_json(&e));
		(void)jobs_sweep(j, id, &e); /* some may be gone */
		return;
	}
	(void)json_object_set(result, "removed", json_object_get(pruned, "removed"));
	if (json_array_size(json_object_get(pruned, "removed")) > 0)
		(void)jobs_sweep(j, id, &e);
}

static int
backup_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct backup_request *r = arg;

	if (capture_run(o, r->capture, ret_result, e) != 0)
		return -1;
	if (r->capture->plan->keeps)
		prune_after(r->jobs, r->capture->plan, *ret_result);
	return 0;
}

static void
backup_request_free(void *arg)
{
	struct backup_request *r = arg;

	capture_request_free(r->capture);
	free(r);
}

int
jobs_backup(struct jobs *j, const json_t *request, char id[ID_SIZE], struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	struct backup_request *backup;

	if (load_plan(j, request, &plan, e) != 0)
		return -1;
	if (request != NULL && plan->schedule != NULL)
		return err_set(e, ERR_INVALID,
			"plan: \"schedule\" belongs into the service's own plan, the file that "
			"FUEL_BACKUP_PLAN names: leave it out here");
	if (check_space(j, e) != 0 || ping(j, e) != 0)
		return -1;
	backup = mem_new(sizeof(*backup));
	*backup = (struct backup_request){j, mem_new(sizeof(*backup->capture))};
	*backup->capture = (struct capture_request){j->store, j->engine, TAKE(plan), &j->settings};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "backup",
			.run = backup_run,
			.arg = backup,
			.arg_free = backup_request_free},
		id, e);
}

int
jobs_prune(struct jobs *j, const json_t *request, json_t **ret_result, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	struct prune p = {.store = j->store, .operations = j->operations};
	char id[ID_SIZE];
	struct err ignored;

	if (load_plan(j, NULL, &plan, e) != 0)
		return -1;
	p.plan = plan;
	if (prune_parse(request, &p, e) != 0)
		return -1;
	const int status = prune_run(&p, ret_result, e);
	if (!p.dry_run &&
		(status != 0 || json_array_size(json_object_get(*ret_result, "removed")) > 0))
		(void)jobs_sweep(j, id, &ignored); /* not while the service stops */
	return status;
}

/* Only a complete backup can be read. */
static int
check_backup(const struct jobs *j, const char *backup, struct err *e)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	const char *state;

	if (backups_get(j->store, backup, &record, e) != 0)
		return -1;
	state = json_text(record, "state", NULL);
	if (strcmp(state, "complete") == 0)
		return 0;
	return err_set(
		e, ERR_CONFLICT, "backup %s is %s: only a complete one can be used", backup, state);
}

int
jobs_restore(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e)
{
	struct restore_request r = {.store = j->store, .engine = j->engine, .host_paths = true};
	struct restore_request *restore;

	if (restore_parse(request, &r, e) != 0 || check_backup(j, backup, e) != 0 ||
		ping(j, e) != 0) {
		json_decref(r.only);
		return -1;
	}
	restore = mem_new(sizeof(*restore));
	*restore = r;
	restore->backup = mem_string(backup);
	return operations_start(j->operations,
		&(struct operation_start){.kind = "restore",
			.backup = backup,
			.run = restore_run,
			.arg = restore,
			.arg_free = restore_request_free},
		id, e);
}

int
jobs_verify(struct jobs *j, const char *backup, char id[ID_SIZE], struct err *e)
{
	struct verify_request *verify;

	if (check_backup(j, backup, e) != 0)
		return -1;
	verify = mem_new(sizeof(*verify));
	*verify = (struct verify_request){j->store, mem_string(backup)};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "verify",
			.backup = backup,
			.run = verify_run,
			.arg = verify,
			.arg_free = verify_request_free},
		id, e);
}

int
jobs_sweep(struct jobs *j, char id[ID_SIZE], struct err *e)
{
	return operations_start(j->operations,
		&(struct operation_start){
			.kind = "sweep", .lane = LANE_SWEEP, .run = tidy_run, .arg = j->store},
		id, e);
}

int
jobs_scrub(struct jobs *j, int64_t slice_bytes, char id[ID_SIZE], struct err *e)
{
	struct patrol *patrol = mem_new(sizeof(*patrol));

	*patrol = (struct patrol){j->store, slice_bytes};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "scrub",
			.lane = LANE_SCRUB,
			.run = patrol_run,
			.arg = patrol,
			.arg_free = patrol_free},
		id, e);
}

int
jobs_plan(struct jobs *j, json_t **ret_plan, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;

	if (load_plan(j, NULL, &plan, e) != 0)
		return -1;
	if (preview_take(&(struct capture_request){j->store, j->engine, plan, &j->settings},
		    ret_plan, e) != 0)
		return -1;
	return json_object_set_new(*ret_plan, "schedule", scheduler_json(j->scheduler));
}

int
jobs_thaw(struct jobs *j, json_t **ret_thawed, struct err *e)
{
	json_t *names = NULL;

	if (aftermath_thaw(j->store, j->engine, &names, e) != 0)
		return -1;
	*ret_thawed = json_pack("{s:o}", "thawed", names);
	return 0;
}

json_t *
jobs_health(struct jobs *j)
{
	return health_json(j->store, j->engine, j->operations);
}
