/* Beginning operations. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "jobs/backup/backup.h"
#include "jobs/content/contents.h"
#include "jobs/import/foreign_import.h"
#include "jobs/import/import.h"
#include "jobs/maintenance/prune.h"
#include "jobs/maintenance/scrub_job.h"
#include "jobs/maintenance/sweep_job.h"
#include "jobs/operations/inspect.h"
#include "jobs/preconditions.h"
#include "jobs/rehearsal/rehearsal.h"
#include "jobs/restore/restore.h"
#include "jobs/restore/rollback.h"
#include "jobs/state.h"
#include "store/catalogue/backups.h"

/* The engine answers now, not only some time ago. */
static int
ping(struct jobs *j, struct err *e)
{
	SCOPED(json_decref_at) json_t *version = NULL;

	return engine_version(j->engine, &version, e);
}

static int
requests_preflight(const struct jobs *j, bool force, struct err *e)
{
	return force || j->preflight == NULL ? 0 : j->preflight(j->preflight_ctx, e);
}

/* A backup, and what follows it. */
struct backup_call {
	struct jobs *jobs;
	struct backup_request *capture;
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
	jobs_copies_pruned(j, json_object_get(pruned, "removed"));
	if (json_array_size(json_object_get(pruned, "removed")) > 0)
		(void)jobs_sweep(j, id, &e);
}

/* In a lane of its own: it goes on when this operation has ended. */
static void
rehearse_after(struct jobs *j, struct operation *o, json_t *result)
{
	char backup[ID_SIZE], id[ID_SIZE];
	struct err e;

	operation_about(o, backup);
	if (jobs_rehearse(j, backup, NULL, id, &e) == 0) {
		(void)json_object_set_new(result, "rehearsal", json_sprintf("/operations/%s", id));
		return;
	}
	log_warn("backup %s is not rehearsed: %s", backup, e.text);
	(void)json_object_set_new(result, "rehearsal_error", problem_json(&e));
}

static int
run_backup(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct backup_call *r = arg;
	struct recovery *recovery = r->jobs->recovery;

	if (recovery_enter(recovery, o, RECOVERY_READER, &r->capture->pending, e) != 0)
		return -1;
	const int status = backup_run(o, r->capture, ret_result, e);
	recovery_leave(recovery);
	if (status != 0)
		return -1;
	if (r->capture->plan->keeps)
		prune_after(r->jobs, r->capture->plan, *ret_result);
	jobs_copy_after(r->jobs, o, r->capture->plan->copies, *ret_result);
	if (r->capture->plan->rehearses)
		rehearse_after(r->jobs, o, *ret_result);
	return 0;
}

static void
backup_call_free(void *arg)
{
	struct backup_call *r = arg;

	backup_request_free(r->capture);
	free(r);
}

static int
begin_backup(struct jobs *j, const json_t *request, bool scheduled, char id[ID_SIZE], struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	SCOPED(json_decref_at) json_t *rest = NULL;
	struct backup_call *backup;
	bool force;

	if (preconditions_force(request, &rest, &force, e) != 0 ||
		jobs_load_plan(j, rest, &plan, e) != 0)
		return -1;
	if (rest != NULL && (plan->schedule != NULL || plan->rehearsals != NULL))
		return err_set(e, ERR_INVALID,
			"plan: a schedule (\"%s\") belongs into the service's own plan, the file "
			"that "
			"FUEL_BACKUP_PLAN names: leave it out here",
			plan->schedule != NULL ? "schedule" : "rehearse");
	if (preconditions_space(j->store, e) != 0 || ping(j, e) != 0 ||
		requests_preflight(j, force, e) != 0)
		return -1;
	backup = mem_new(sizeof(*backup));
	*backup = (struct backup_call){j, mem_new(sizeof(*backup->capture))};
	*backup->capture = (struct backup_request){
		j->store, j->engine, TAKE(plan), &j->settings, scheduled, NULL};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "backup",
			.run = run_backup,
			.arg = backup,
			.arg_free = backup_call_free},
		id, e);
}

int
jobs_backup(struct jobs *j, const json_t *request, char id[ID_SIZE], struct err *e)
{
	return begin_backup(j, request, false, id, e);
}

int
jobs_backup_scheduled(struct jobs *j, char id[ID_SIZE], struct err *e)
{
	return begin_backup(j, NULL, true, id, e);
}

int
jobs_prune(struct jobs *j, const json_t *request, json_t **ret_result, struct err *e)
{
	SCOPED(plan_free_at) struct plan *plan = NULL;
	struct prune p = {.store = j->store, .operations = j->operations};
	char id[ID_SIZE];
	struct err ignored;

	if (jobs_load_plan(j, NULL, &plan, e) != 0)
		return -1;
	p.plan = plan;
	if (prune_parse(request, &p, e) != 0)
		return -1;
	const int status = prune_run(&p, ret_result, e);
	if (!p.dry_run && status == 0)
		jobs_copies_pruned(j, json_object_get(*ret_result, "removed"));
	if (!p.dry_run &&
		(status != 0 || json_array_size(json_object_get(*ret_result, "removed")) > 0))
		(void)jobs_sweep(j, id, &ignored); /* not while the service stops */
	return status;
}

/* What failed or still runs cannot be read. */
static int
check_backup(const struct jobs *j, const char *backup, struct err *e)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	const char *state;

	if (backups_get(j->store, backup, &record, e) != 0)
		return -1;
	state = json_text(record, "state", NULL);
	if (backups_readable(state))
		return 0;
	return err_set(e, ERR_CONFLICT,
		"backup %s is %s: only a complete or a partial one can be used", backup, state);
}

/* A restore or a rehearsal, and whom it belongs to. */
struct change_request {
	struct jobs *jobs;
	void *request;
	operation_run *run;
	void (*request_free)(void *request);
	enum recovery_user user;
	bool alone; /* no rehearsal may run beside it */
};

/* A restore does not wait for a rehearsal, nor run beside it. */
static int
change_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	const struct change_request *c = arg;
	struct recovery *recovery = c->jobs->recovery;
	SCOPED(free_at) char *pending = NULL;

	if (c->alone)
		operation_phase(o, "wait");
	if ((c->alone && operation_alone(o, e) != 0) ||
		recovery_enter(recovery, o, c->user, &pending, e) != 0)
		return -1;
	const int status = c->run(o, c->request, ret_result, e);
	recovery_leave(recovery);
	return status;
}

static void
change_request_free(void *arg)
{
	struct change_request *c = arg;

	c->request_free(c->request);
	free(c);
}

static struct change_request *
change_request_new(const struct change_request *c)
{
	struct change_request *change = mem_new(sizeof(*change));

	*change = *c;
	return change;
}

/* A dry run, and a restore beside what is there, stop and start nothing. */
static enum recovery_user
user_of(const struct restore_request *r)
{
	return r->dry_run || r->as != NULL ? RECOVERY_READER : RECOVERY_CHANGER;
}

int
jobs_restore(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e)
{
	struct restore_request r = {.store = j->store, .engine = j->engine, .host_paths = true};
	SCOPED(json_decref_at) json_t *rest = NULL;
	struct restore_request *restore;
	bool force;

	if (preconditions_force(request, &rest, &force, e) != 0 ||
		restore_parse(rest, &r, e) != 0 || check_backup(j, backup, e) != 0 ||
		restore_confirmed(&r, backup, e) != 0 || ping(j, e) != 0 ||
		recovery_admit(j->recovery, user_of(&r), e) != 0 ||
		requests_preflight(j, force, e) != 0) {
		json_decref(r.only);
		free(r.as);
		free(r.confirm);
		return -1;
	}
	restore = mem_new(sizeof(*restore));
	*restore = r;
	restore->backup = mem_string(backup);
	return operations_start(j->operations,
		&(struct operation_start){.kind = "restore",
			.backup = backup,
			.dry_run = r.dry_run,
			.run = change_run,
			.arg = change_request_new(&(struct change_request){.jobs = j,
				.request = restore,
				.run = restore_run,
				.request_free = restore_request_free,
				.user = user_of(restore),
				.alone = true}),
			.arg_free = change_request_free},
		id, e);
}

int
jobs_rehearse(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e)
{
	struct rehearsal_request r = {.store = j->store, .engine = j->engine};
	struct rehearsal_request *rehearsal;

	if (rehearsal_parse(request, &r, e) != 0 || check_backup(j, backup, e) != 0 ||
		ping(j, e) != 0 || recovery_admit(j->recovery, RECOVERY_CHANGER, e) != 0)
		return -1;
	rehearsal = mem_new(sizeof(*rehearsal));
	*rehearsal = r;
	rehearsal->backup = mem_string(backup);
	return operations_start(j->operations,
		&(struct operation_start){.kind = "rehearse",
			.lane = LANE_REHEARSAL,
			.backup = backup,
			.run = change_run,
			.arg = change_request_new(&(struct change_request){.jobs = j,
				.request = rehearsal,
				.run = rehearsal_run,
				.request_free = rehearsal_request_free,
				.user = RECOVERY_CHANGER}),
			.arg_free = change_request_free},
		id, e);
}

int
jobs_import(struct jobs *j, const struct import_request *request, char id[ID_SIZE], struct err *e)
{
	struct import_request *import = mem_new(sizeof(*import));

	*import = *request;
	import->store = j->store;
	import->engine = j->engine;
	if (foreign_import_check(import, e) != 0 || preconditions_space(j->store, e) != 0) {
		import_request_free(import);
		return -1;
	}
	return operations_start(j->operations,
		&(struct operation_start){.kind = "import",
			.run = import->volume != NULL || import->host_path != NULL
				       ? foreign_import_run
				       : import_run,
			.arg = import,
			.arg_free = import_request_free},
		id, e);
}

int
jobs_delete(struct jobs *j, const char *backup, struct err *e)
{
	SCOPED(free_at) char *needed = NULL;
	char id[ID_SIZE];
	struct err ignored;

	if (rollback_backup(j->store, &needed, e) != 0)
		return -1;
	if (needed != NULL && strcmp(needed, backup) == 0)
		return err_set(e, ERR_CONFLICT,
			"a restore of backup %s is under way, or was cut off and is undone as soon "
			"as the engine answers; delete it after that",
			backup);
	if (operations_restore(j->operations, backup))
		return err_set(e, ERR_CONFLICT,
			"backup %s is being restored or rehearsed: delete it after that, or cancel "
			"that first",
			backup);
	if (backups_delete(j->store, backup, e) != 0)
		return -1;
	copies_forget(j->copies, backup);
	(void)jobs_sweep(j, id, &ignored); /* not while the service stops */
	return 0;
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
			.kind = "sweep", .lane = LANE_SWEEP, .run = sweep_job_run, .arg = j->store},
		id, e);
}

int
jobs_scrub(struct jobs *j, int64_t slice_bytes, char id[ID_SIZE], struct err *e)
{
	struct scrub_job *patrol = mem_new(sizeof(*patrol));

	*patrol = (struct scrub_job){j->store, slice_bytes};
	return operations_start(j->operations,
		&(struct operation_start){.kind = "scrub",
			.lane = LANE_SCRUB,
			.run = scrub_job_run,
			.arg = patrol,
			.arg_free = scrub_job_free},
		id, e);
}
