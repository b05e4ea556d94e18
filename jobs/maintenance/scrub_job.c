#include "jobs/maintenance/scrub_job.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/content/damage_report.h"
#include "store/catalogue/damage.h"
#include "store/gc/scrub.h"

static const int64_t SLICE_RATE_MIN = 4 << 20;

struct scrub_job_round {
	struct operation *operation;
	int64_t done;
};

static bool
scrub_job_stop(void *ctx)
{
	const struct scrub_job_round *r = ctx;

	return operation_cancelled(r->operation);
}

static void
scrub_job_tell(void *ctx, int64_t done, int64_t total)
{
	struct scrub_job_round *r = ctx;

	if (r->done == 0)
		operation_total(r->operation, total);
	operation_advance(r->operation, done - r->done, 0);
	r->done = done;
}

/* Leave in ${numbers} those that are not in ${found}; both ascend. */
static size_t
without(uint64_t *numbers, size_t count, const uint64_t *found, size_t found_count)
{
	size_t left = 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		while (at < found_count && found[at] < numbers[i])
			at++;
		if (at == found_count || found[at] != numbers[i])
			numbers[left++] = numbers[i];
	}
	return left;
}

/*
 * The files that the chunks hurt: of the newest backup that needs one of them, then of the newest
 * that needs one of the others.
 */
static int
files_name(struct scrub_job *p, struct operation *o, const struct scrub_totals *t, json_t *files,
	struct err *e)
{
	SCOPED(free_at) uint64_t *numbers = mem_array(NULL, SCRUB_NUMBERS, sizeof(*numbers));
	SCOPED(free_at) uint64_t *found = mem_array(NULL, SCRUB_NUMBERS, sizeof(*found));
	size_t count = t->numbers_count;

	memcpy(numbers, t->numbers, count * sizeof(*numbers));
	for (int i = 0; i < SCRUB_JOB_BACKUPS && count > 0; i++) {
		SCOPED(json_decref_at) json_t *ids = NULL;
		size_t found_count = SCRUB_NUMBERS;
		json_t *one = NULL;
		int64_t total = 0;

		if (damage_backups(p->store, numbers, count, 1, &ids, &total, e) != 0)
			return -1;
		if (total == 0)
			return 0; /* no backup needs them any more */
		if (damage_report_of_backup(p->store, json_string_value(json_array_get(ids, 0)), o,
			    found, &found_count, &one, e) != 0)
			return e->code == ERR_NOT_FOUND ? 0 : -1; /* deleted meanwhile */
		(void)json_array_append_new(files, one);
		count = without(numbers, count, found, found_count);
	}
	return 0;
}

/* Name what is hurt, in the result and in the error. */
static int
scrub_job_damage_tell(struct scrub_job *p, struct operation *o, const struct scrub_totals *t,
	json_t *result, struct err *e)
{
	SCOPED(free_at) char *text = NULL;
	json_t *files = json_array();

	operation_phase(o, "name");
	if (files_name(p, o, t, files, e) != 0) {
		json_decref(files);
		return -1;
	}
	if (damage_report(p->store, t->numbers, t->numbers_count, files, result, &text, e) != 0)
		return -1;
	if (json_array_size(json_object_get(result, "backups")) == 0)
		return 0; /* they are dead bytes: a sweep removes them */
	return err_set(e, ERR_CORRUPT,
		"%lld damaged chunks were found; the next backup of the same data heals them%s",
		(long long)t->chunks_damaged, text);
}

static json_t *
result_json(const struct scrub_totals *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:i, s:[], s:[]}", "chunks",
		(json_int_t)t->chunks, "bytes", (json_int_t)t->bytes, "chunks_damaged",
		(json_int_t)t->chunks_damaged, "chunks_mended", (json_int_t)t->chunks_mended,
		"chunks_unread", (json_int_t)t->chunks_unread, "backups_damaged", 0, "backups",
		"damage");
}

/* A slice takes half of its time; nobody waits for it. */
static int64_t
slice_rate(int64_t slice_bytes)
{
	const int64_t rate = slice_bytes / (SCRUB_JOB_SECONDS / 2);

	return slice_bytes == 0 ? 0 : rate < SLICE_RATE_MIN ? SLICE_RATE_MIN : rate;
}

int
scrub_job_run(struct operation *o, void *arg, json_t **ret_result, struct err *e)
{
	struct scrub_job *p = arg;
	struct scrub_job_round r = {.operation = o};
	const struct scrub_options options = {.slice_bytes = p->slice_bytes,
		.bytes_per_second = slice_rate(p->slice_bytes),
		.stop = scrub_job_stop,
		.tell = scrub_job_tell,
		.ctx = &r};
	struct scrub_totals t;

	operation_phase(o, "read");
	int status = scrub_run(p->store, &options, &t, e);
	SCOPED(free_at) uint64_t *numbers = t.numbers;
	*ret_result = result_json(&t);
	if (status != 0)
		return -1;
	if (t.chunks_damaged > 0)
		return scrub_job_damage_tell(p, o, &t, *ret_result, e);
	if (t.chunks_unread == 0)
		return 0;
	*e = t.unread;
	return err_prefix(e, "%lld chunks could not be read", (long long)t.chunks_unread);
}

void
scrub_job_free(void *arg)
{
	free(arg);
}

int
scrub_job_slice(struct store *s, int64_t days, int64_t *ret_bytes, struct err *e)
{
	struct store_stats stats;

	if (store_stats(s, &stats, e) != 0)
		return -1;
	*ret_bytes = stats.packs_bytes * SCRUB_JOB_SECONDS / (days * 24 * 3600) + 1;
	return 0;
}
