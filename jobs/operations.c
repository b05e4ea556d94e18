#include "jobs/operations.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "store/journal.h"

enum { PHASE_SIZE = 32, KIND_SIZE = 16, STATE_SIZE = 16 };

/* How long the documents of ended operations are kept. */
static const int64_t KEEP_NS = 7LL * 24 * 3600 * 1000000000;

/* The rate is that of the last two to four seconds, so that it follows without jumping. */
static const int64_t RATE_WINDOW_MS = 2000;

struct operation {
	struct operations *ops;
	char id[ID_SIZE];
	char kind[KIND_SIZE];
	char state[STATE_SIZE];
	char phase[PHASE_SIZE];
	char backup[ID_SIZE];
	int64_t created_ns;
	int64_t ended_ns;
	int64_t bytes_done;
	int64_t bytes_total;
	int64_t files_done;
	int64_t sequence;
	int64_t rate_since_ns;
	int64_t rate_from;
	double rate;
	json_t *error;
	json_t *result;
	bool cancel;
	struct operation_start start;
};

struct operations {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool threaded; /* `thread` is to be joined */
	bool stopping;
	struct operation *current; /* the running one, or the last that ran; NULL before */
};

static json_t *
time_json(int64_t real_ns)
{
	char text[CLOCK_TEXT_SIZE];

	return real_ns == 0 ? json_null() : json_string(clock_text(real_ns, text));
}

static bool
running(const struct operation *o)
{
	return o != NULL && strcmp(o->state, "running") == 0;
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
	if (!running(o) || o->rate < 1 || o->bytes_total <= o->bytes_done)
		return json_null();
	return json_integer((json_int_t)((double)(o->bytes_total - o->bytes_done) / o->rate * 1e3));
}

/* With the lock held. */
static json_t *
document(const struct operation *o)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:O?, "
			 "s:O?, s:I}",
		"id", o->id, "kind", o->kind, "state", o->state, "phase", o->phase, "progress",
		progress(o), "bytes_done", (json_int_t)o->bytes_done, "bytes_total",
		(json_int_t)o->bytes_total, "files_done", (json_int_t)o->files_done,
		"bytes_per_second", (json_int_t)o->rate, "remaining_ms", remaining_json(o),
		"backup", o->backup[0] == '\0' ? json_null() : json_string(o->backup), "created_at",
		time_json(o->created_ns), "ended_at", time_json(o->ended_ns), "error", o->error,
		"result", o->result, "sequence", (json_int_t)o->sequence);
}

/* With the lock held. */
static void
touch(struct operation *o)
{
	o->sequence++;
	(void)pthread_cond_broadcast(&o->ops->changed);
}

/* With the lock held.  A full disk must not end an operation: it is only its record. */
static void
record(struct operation *o)
{
	SCOPED(json_decref_at) json_t *doc = document(o);
	struct err e;

	if (journal_put(o->ops->store, o->id, o->created_ns, o->state, doc, &e) != 0)
		log_warn("operation %s could not be recorded: %s", o->id, e.text);
}

static void
operation_free(struct operation *o)
{
	if (o == NULL)
		return;
	json_decref(o->error);
	json_decref(o->result);
	free(o);
}

int
operations_open(struct store *s, struct operations **ret_operations, struct err *e)
{
	struct operations *ops;
	pthread_condattr_t attr;
	const int64_t now = clock_real_ns();

	if (journal_interrupt(s, now, now - KEEP_NS, e) != 0)
		return -1;
	ops = mem_new(sizeof(*ops));
	ops->store = s;
	(void)pthread_mutex_init(&ops->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&ops->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret_operations = ops;
	return 0;
}

static void
join(struct operations *ops)
{
	pthread_t thread;
	bool threaded;

	(void)pthread_mutex_lock(&ops->mutex);
	thread = ops->thread;
	threaded = ops->threaded;
	ops->threaded = false;
	(void)pthread_mutex_unlock(&ops->mutex);
	if (threaded)
		(void)pthread_join(thread, NULL);
}

void
operations_stop(struct operations *ops)
{
	(void)pthread_mutex_lock(&ops->mutex);
	ops->stopping = true;
	if (running(ops->current))
		ops->current->cancel = true;
	(void)pthread_cond_broadcast(&ops->changed);
	(void)pthread_mutex_unlock(&ops->mutex);
	join(ops);
}

void
operations_close(struct operations *ops)
{
	if (ops == NULL)
		return;
	operation_free(ops->current);
	(void)pthread_cond_destroy(&ops->changed);
	(void)pthread_mutex_destroy(&ops->mutex);
	free(ops);
}

static void
end(struct operation *o, int status, json_t *result, const struct err *e)
{
	LOCKED(&o->ops->mutex);

	o->ended_ns = clock_real_ns();
	o->result = result;
	o->rate = 0;
	if (status == 0) {
		(void)strcpy(o->state, "succeeded");
		log_info("%s %s succeeded", o->kind, o->id);
	} else {
		o->error = problem_json(e);
		(void)strcpy(o->state, e->code == ERR_CANCELLED ? "cancelled" : "failed");
		log_error("%s %s %s: %s", o->kind, o->id, o->state, e->text);
	}
	touch(o);
	record(o);
}

static void *
carry_out(void *ctx)
{
	struct operation *o = ctx;
	struct err e = {.code = ERR_NONE};
	json_t *result = NULL;
	const int status = o->start.run(o, o->start.arg, &result, &e);

	if (o->start.arg_free != NULL)
		o->start.arg_free(o->start.arg);
	end(o, status, result, &e);
	return NULL;
}

/* With the lock held and nothing running. */
static int
launch(struct operations *ops, struct operation *o, struct err *e)
{
	int failed;

	operation_free(ops->current);
	ops->current = o;
	record(o);
	failed = pthread_create(&ops->thread, NULL, carry_out, o);
	if (failed != 0) {
		ops->current = NULL;
		free(o);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	ops->threaded = true;
	return 0;
}

static int
try_start(struct operations *ops, const struct operation_start *start, char id[ID_SIZE],
	struct err *e)
{
	struct operation *o;
	LOCKED(&ops->mutex);

	if (ops->stopping)
		return err_set(e, ERR_CANCELLED, "the service is stopping");
	if (running(ops->current)) {
		memcpy(id, ops->current->id, ID_SIZE);
		return err_set(e, ERR_BUSY,
			"a %s is running (operation %s): wait for it, or cancel it",
			ops->current->kind, id);
	}
	if (ops->threaded) { /* it has ended, or is about to return from its last line */
		(void)pthread_join(ops->thread, NULL);
		ops->threaded = false;
	}
	o = mem_new(sizeof(*o));
	o->ops = ops;
	o->start = *start;
	id_new(o->id);
	(void)snprintf(o->kind, sizeof(o->kind), "%s", start->kind);
	(void)strcpy(o->state, "running");
	(void)strcpy(o->phase, "start");
	(void)snprintf(
		o->backup, sizeof(o->backup), "%s", start->backup == NULL ? "" : start->backup);
	o->created_ns = clock_real_ns();
	o->rate_since_ns = clock_mono_ns();
	o->sequence = 1;
	memcpy(id, o->id, ID_SIZE);
	return launch(ops, o, e);
}

int
operations_start(struct operations *ops, const struct operation_start *start, char id[ID_SIZE],
	struct err *e)
{
	if (try_start(ops, start, id, e) == 0)
		return 0;
	if (start->arg_free != NULL)
		start->arg_free(start->arg);
	return -1;
}

bool
operation_ended(const json_t *doc)
{
	const char *state = json_string_value(json_object_get(doc, "state"));

	return state == NULL || (strcmp(state, "running") != 0 && strcmp(state, "queued") != 0);
}

/* With the lock held. */
static struct operation *
find(struct operations *ops, const char *id)
{
	return ops->current != NULL && strcmp(ops->current->id, id) == 0 ? ops->current : NULL;
}

int
operations_get(struct operations *ops, const char *id, json_t **ret_document, struct err *e)
{
	(void)pthread_mutex_lock(&ops->mutex);
	*ret_document = NULL;
	if (find(ops, id) != NULL)
		*ret_document = document(ops->current);
	(void)pthread_mutex_unlock(&ops->mutex);
	if (*ret_document != NULL)
		return 0;
	if (journal_get(ops->store, id, ret_document, e) != 0)
		return e->code != ERR_NOT_FOUND
			       ? -1
			       : err_set(e, ERR_NOT_FOUND, "there is no operation %.64s", id);
	return 0;
}

int
operations_wait(struct operations *ops, const char *id, int64_t after, int64_t timeout_ms,
	json_t **ret_document, struct err *e)
{
	const int64_t until_ns = clock_mono_ns() + timeout_ms * 1000000;
	const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

	(void)pthread_mutex_lock(&ops->mutex);
	while (!ops->stopping && running(find(ops, id)) && find(ops, id)->sequence <= after)
		if (pthread_cond_timedwait(&ops->changed, &ops->mutex, &until) != 0)
			break;
	(void)pthread_mutex_unlock(&ops->mutex);
	return operations_get(ops, id, ret_document, e);
}

int
operations_list(struct operations *ops, int limit, const char *after, json_t **ret_array,
	bool *ret_more, struct err *e)
{
	json_t *doc;
	size_t i;

	if (journal_list(ops->store, limit, after, ret_array, ret_more, e) != 0)
		return -1;
	LOCKED(&ops->mutex);
	json_array_foreach (*ret_array, i, doc) {
		const char *id = json_string_value(json_object_get(doc, "id"));

		if (id != NULL && find(ops, id) != NULL)
			(void)json_array_set_new(*ret_array, i, document(ops->current));
	}
	return 0;
}

int
operations_cancel(struct operations *ops, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *doc = NULL;

	(void)pthread_mutex_lock(&ops->mutex);
	if (running(find(ops, id))) {
		ops->current->cancel = true;
		touch(ops->current);
		(void)pthread_mutex_unlock(&ops->mutex);
		return 0;
	}
	(void)pthread_mutex_unlock(&ops->mutex);
	if (operations_get(ops, id, &doc, e) != 0)
		return -1;
	return err_set(e, ERR_CONFLICT, "operation %s has ended already", id);
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

void
operation_phase(struct operation *o, const char *phase)
{
	LOCKED(&o->ops->mutex);

	(void)snprintf(o->phase, sizeof(o->phase), "%s", phase);
	log_info("%s %s: %s", o->kind, o->id, phase);
	touch(o);
}

void
operation_backup(struct operation *o, const char *id)
{
	LOCKED(&o->ops->mutex);

	(void)snprintf(o->backup, sizeof(o->backup), "%s", id);
	touch(o);
	record(o);
}

void
operation_total(struct operation *o, int64_t bytes)
{
	LOCKED(&o->ops->mutex);

	o->bytes_total = bytes;
	touch(o);
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
		touch(o);
	}
}
