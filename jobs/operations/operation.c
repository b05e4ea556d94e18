#include "jobs/operations/operation.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/scope.h"
#include "store/catalogue/journal.h"

/* The rate is that of the last two to four seconds, so that it follows without jumping. */
static const int64_t RATE_WINDOW_MS = 2000;

bool
operation_running(const struct operation *o)
{
	return o != NULL && strcmp(o->state, "running") == 0;
}

static json_t *
time_json(int64_t real_ns)
{
	char text[CLOCK_TEXT_SIZE];

	return real_ns == 0 ? json_null() : json_string(clock_text(real_ns, text));
}

static double
progress(const struct operation *o)
{
	if (strcmp(o->state, "succeeded") == 0)
		return 1;
	if (o->bytes_total <= 0)
		return 0;
	/* The total is an estimate: never say 1 before the end. */
	return o->bytes_done >= o->bytes_total
		       ? 0.99
		       : 0.99 * (double)o->bytes_done / (double)o->bytes_total;
}

static json_t *
remaining_json(const struct operation *o)
{
	if (!operation_running(o) || o->rate < 1 || o->bytes_total <= o->bytes_done)
		return json_null();
	return json_integer((json_int_t)((double)(o->bytes_total - o->bytes_done) / o->rate * 1e3));
}

/* A document is its reader's alone, who may change it, while other threads read the operation: of
 * what the operation keeps it has copies. */
static json_t *
own(const json_t *kept)
{
	return kept == NULL ? json_null() : json_deep_copy(kept);
}

json_t *
operation_document(const struct operation *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:I, s:b}",
		"id", o->id, "kind", o->kind, "state", o->state, "phase", o->phase, "progress",
		progress(o), "bytes_done", (json_int_t)o->bytes_done, "bytes_total",
		(json_int_t)o->bytes_total, "files_done", (json_int_t)o->files_done,
		"bytes_per_second", (json_int_t)o->rate, "remaining_ms", remaining_json(o),
		"backup", o->backup[0] == '\0' ? json_null() : json_string(o->backup), "created_at",
		time_json(o->created_ns), "ended_at", time_json(o->ended_ns), "error",
		own(o->error), "result", own(o->result), "sequence", (json_int_t)o->sequence,
		"dry_run", (int)o->dry_run);
}

void
operation_touch(struct operation *o)
{
	o->sequence++;
	(void)pthread_cond_broadcast(&o->ops->changed);
}

void
operation_record(struct operation *o)
{
	SCOPED(json_decref_at) json_t *doc = operation_document(o);
	struct err e;

	if (journal_put(o->ops->store, o->id, o->created_ns, o->state, doc, &e) != 0)
		log_warn("operation %s could not be recorded: %s", o->id, e.text);
}

const char *
operation_id(const struct operation *o)
{
	return o->id;
}

bool
operation_cancelled(struct operation *o)
{
	LOCKED(&o->ops->mutex);

	return o->cancel;
}

bool
operation_stopping(void *operation)
{
	struct operation *o = operation;
	LOCKED(&o->ops->mutex);

	return o->ops->stopping;
}

bool
operation_given_up(void *operation)
{
	return operation_cancelled(operation);
}

int
operation_check(struct operation *o, struct err *e)
{
	if (!operation_cancelled(o))
		return 0;
	return err_set(e, ERR_CANCELLED, "%s was cancelled", o->kind);
}

int
operation_decide(struct operation *o, struct err *e)
{
	LOCKED(&o->ops->mutex);

	if (o->cancel)
		return err_set(e, ERR_CANCELLED, "%s was cancelled", o->kind);
	o->decided = true;
	return 0;
}

void
operation_phase(struct operation *o, const char *phase)
{
	LOCKED(&o->ops->mutex);

	(void)snprintf(o->phase, sizeof(o->phase), "%s", phase);
	log_info("%s %s: %s", o->kind, o->id, phase);
	operation_touch(o);
}

void
operation_about(struct operation *o, char backup[ID_SIZE])
{
	LOCKED(&o->ops->mutex);

	memcpy(backup, o->backup, ID_SIZE);
}

void
operation_backup(struct operation *o, const char *id)
{
	LOCKED(&o->ops->mutex);

	(void)snprintf(o->backup, sizeof(o->backup), "%s", id);
	operation_touch(o);
	operation_record(o);
}

void
operation_total(struct operation *o, int64_t bytes)
{
	LOCKED(&o->ops->mutex);

	o->bytes_total = bytes;
	operation_touch(o);
}

void
operation_advance(struct operation *o, int64_t bytes, int64_t files)
{
	const int64_t now = clock_mono_ns();
	LOCKED(&o->ops->mutex);
	const int64_t window_ms = (now - o->rate_since_ns) / 1000000;

	o->bytes_done += bytes;
	o->files_done += files;
	if (window_ms >= RATE_WINDOW_MS || (o->rate < 1 && window_ms >= 200)) {
		o->rate = (double)(o->bytes_done - o->rate_from) / (double)window_ms * 1e3;
		if (window_ms >= RATE_WINDOW_MS) {
			o->rate_since_ns = now;
			o->rate_from = o->bytes_done;
		}
		operation_touch(o);
	}
}

bool
operations_phase_is(struct operations *ops, const char *phase)
{
	LOCKED(&ops->mutex);
	const struct operation *front = ops->slots[LANE_FRONT].current;

	return operation_running(front) && strcmp(front->phase, phase) == 0;
}
