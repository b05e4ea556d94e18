#include "jobs/maintenance/sweep_job.h"

#include <string.h>

#include "base/log.h"
#include "store/gc/sweep.h"

struct sweep_job {
	struct operation *operation;
	const char *phase; /* told last */
	int64_t done, total;
};

static bool
sweep_job_stop(void *ctx)
{
	const struct sweep_job *t = ctx;

	return operation_cancelled(t->operation);
}

static void
sweep_job_tell(void *ctx, const char *phase, int64_t done, int64_t total)
{
	struct sweep_job *t = ctx;

	if (t->phase == NULL || strcmp(t->phase, phase) != 0) {
		t->phase = phase;
		operation_phase(t->operation, phase);
	}
	if (t->total != total)
		operation_total(t->operation, total);
	t->total = total;
	operation_advance(t->operation, done - t->done, 0);
	t->done = done;
}

int
sweep_job_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	struct sweep_job t = {.operation = o};
	const struct sweep_options options = {
		.stop = sweep_job_stop, .tell = sweep_job_tell, .ctx = &t};
	struct sweep_totals totals;

	const int status = sweep_run(arg, &options, &totals, e);
	if (totals.chunks_damaged > 0)
		log_error("%s %s: %lld damaged chunks were found; %lld backups need them", "sweep",
			operation_id(o), (long long)totals.chunks_damaged,
			(long long)totals.backups_damaged);
	*ret_result = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "freed_bytes",
		(json_int_t)totals.freed_bytes, "copied_bytes", (json_int_t)totals.copied_bytes,
		"packs_removed", (json_int_t)totals.packs_removed, "chunks_removed",
		(json_int_t)totals.chunks_removed, "chunks_moved", (json_int_t)totals.chunks_moved,
		"chunks_damaged", (json_int_t)totals.chunks_damaged, "backups_damaged",
		(json_int_t)totals.backups_damaged);
	return status;
}
