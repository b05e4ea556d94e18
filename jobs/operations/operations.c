#include "jobs/operations/operation.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/scope.h"
#include "base/thread.h"
#include "store/catalogue/journal.h"

/* How long the documents of ended operations are kept. */
static const int64_t KEEP_NS = 7LL * 24 * 3600 * 1000000000;

enum { GLANCE_TRY_US = 2000 };

static bool
alive(const struct operation *o)
{
	return operation_running(o) || (o != NULL && strcmp(o->state, "queued") == 0);
}

static struct operation_slot *
operations_slot_of(struct operations *ops, const struct operation_start *start)
{
	return &ops->slots[start->lane];
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
join(struct operations *ops, struct operation_slot *slot)
{
	pthread_t thread;
	bool threaded;

	(void)pthread_mutex_lock(&ops->mutex);
	thread = slot->thread;
	threaded = slot->threaded;
	slot->threaded = false;
	(void)pthread_mutex_unlock(&ops->mutex);
	if (threaded)
		(void)pthread_join(thread, NULL);
}

void
operations_stop(struct operations *ops)
{
	(void)pthread_mutex_lock(&ops->mutex);
	ops->stopping = true;
	for (int i = 0; i < LANES; i++) {
		if (alive(ops->slots[i].current))
			ops->slots[i].current->cancel = true;
		if (ops->slots[i].next != NULL)
			ops->slots[i].next->cancel = true;
	}
	(void)pthread_cond_broadcast(&ops->changed);
	(void)pthread_mutex_unlock(&ops->mutex);
	for (int i = 0; i < LANES; i++)
		join(ops, &ops->slots[i]);
}

void
operations_close(struct operations *ops)
{
	if (ops == NULL)
		return;
	for (int i = 0; i < LANES; i++)
		operation_free(ops->slots[i].current);
	(void)pthread_cond_destroy(&ops->changed);
	(void)pthread_mutex_destroy(&ops->mutex);
	free(ops);
}

/* With the lock held: the one behind ${o} takes its place; NULL if there is none. */
static struct operation *
operations_follow(struct operation *o)
{
	struct operation_slot *slot = operations_slot_of(o->ops, &o->start);
	struct operation *next = TAKE(slot->next);

	if (next == NULL)
		return NULL;
	operation_free(o);
	slot->current = next;
	(void)strcpy(next->state, "running");
	next->rate_since_ns = clock_mono_ns();
	operation_touch(next);
	operation_record(next);
	return next;
}

/* With the lock held: the operation has ended. */
static void
operations_conclude(struct operation *o, int status, json_t *result, const struct err *e)
{
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
	operation_touch(o);
	operation_record(o);
	if (o->ops->watch != NULL) {
		SCOPED(json_decref_at) json_t *document = operation_document(o);
		o->ops->watch(o->ops->watch_ctx, document);
	}
}

/* The operation has ended; the next one of its slot. */
static struct operation *
operations_end(struct operation *o, int status, json_t *result, const struct err *e)
{
	LOCKED(&o->ops->mutex);

	operations_conclude(o, status, result, e);
	return operations_follow(o);
}

void
operations_watch(struct operations *ops, operations_watcher *watch, void *ctx)
{
	LOCKED(&ops->mutex);

	ops->watch = watch;
	ops->watch_ctx = ctx;
}

static void *
operations_carry_out(void *ctx)
{
	struct operation *o = ctx;

	while (o != NULL) {
		struct err e = {.code = ERR_NONE};
		json_t *result = NULL;
		const int status = o->start.run(o, o->start.arg, &result, &e);
		if (o->start.arg_free != NULL)
			o->start.arg_free(o->start.arg);
		mem_give_back();
		o = operations_end(o, status, result, &e);
	}
	return NULL;
}

/* With the lock held and nothing running in the slot. */
static int
launch(struct operation_slot *slot, struct operation *o, struct err *e)
{
	if (slot->threaded) { /* it has ended, or is about to return from its last line */
		(void)pthread_join(slot->thread, NULL);
		slot->threaded = false;
	}
	operation_free(slot->current);
	slot->current = o;
	operation_record(o);
	if (thread_start(&slot->thread, operations_carry_out, o) == 0) {
		slot->threaded = true;
		return 0;
	}
	(void)err_set(e, ERR_INTERNAL,
		"no thread could be started: the service, or the host, has too many");
	operations_conclude(o, -1, NULL, e);
	return -1;
}

static struct operation *
operation_make(struct operations *ops, const struct operation_start *start, const char *state)
{
	struct operation *o = mem_new(sizeof(*o));

	o->ops = ops;
	o->start = *start;
	id_new(o->id);
	(void)snprintf(o->kind, sizeof(o->kind), "%s", start->kind);
	(void)snprintf(o->state, sizeof(o->state), "%s", state);
	(void)strcpy(o->phase, "start");
	(void)snprintf(
		o->backup, sizeof(o->backup), "%s", start->backup == NULL ? "" : start->backup);
	o->created_ns = clock_real_ns();
	o->rate_since_ns = clock_mono_ns();
	o->dry_run = start->dry_run;
	o->sequence = 1;
	return o;
}

/* With the lock held, in the background: behind the one that runs. */
static void
enqueue(struct operations *ops, const struct operation_start *start, char id[ID_SIZE])
{
	struct operation_slot *slot = operations_slot_of(ops, start);

	if (slot->next == NULL) {
		slot->next = operation_make(ops, start, "queued");
		operation_record(slot->next);
	} else if (start->arg_free != NULL) {
		start->arg_free(start->arg);
	}
	memcpy(id, slot->next->id, ID_SIZE);
}

/* With the lock held: the one that ${start} has to wait for, or NULL. */
static const struct operation *
operations_in_the_way(struct operations *ops, const struct operation_start *start)
{
	const struct operation *front = ops->slots[LANE_FRONT].current;
	const struct operation *same = operations_slot_of(ops, start)->current;

	if (operation_running(same))
		return same;
	/* The rehearsal would remove images that the restore relies on. */
	if (start->lane == LANE_REHEARSAL && operation_running(front) &&
		strcmp(front->kind, "restore") == 0)
		return front;
	return NULL;
}

static int
try_start(struct operations *ops, const struct operation_start *start, char id[ID_SIZE],
	struct err *e)
{
	const bool queues = start->lane == LANE_SWEEP || start->lane == LANE_SCRUB;
	struct operation_slot *slot = operations_slot_of(ops, start);
	const struct operation *other;
	struct operation *o;
	LOCKED(&ops->mutex);

	if (ops->stopping)
		return err_set(e, ERR_CANCELLED, "the service is stopping");
	other = operations_in_the_way(ops, start);
	if (other != NULL && queues) {
		enqueue(ops, start, id);
		return 0;
	}
	if (other != NULL) {
		memcpy(id, other->id, ID_SIZE);
		return err_set(e, ERR_BUSY,
			"a %s is running (operation %s): wait for it, or cancel it", other->kind,
			id);
	}
	o = operation_make(ops, start, "running");
	memcpy(id, o->id, ID_SIZE);
	return launch(slot, o, e);
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
operations_find(struct operations *ops, const char *id)
{
	for (int i = 0; i < LANES; i++) {
		struct operation_slot *slot = &ops->slots[i];
		if (slot->current != NULL && strcmp(slot->current->id, id) == 0)
			return slot->current;
		if (slot->next != NULL && strcmp(slot->next->id, id) == 0)
			return slot->next;
	}
	return NULL;
}

/* With the lock held. */
static bool
running_now(const struct operations *ops, char id[ID_SIZE])
{
	for (int i = 0; i < LANES; i++) {
		if (!operation_running(ops->slots[i].current))
			continue;
		memcpy(id, ops->slots[i].current->id, ID_SIZE);
		return true;
	}
	return false;
}

bool
operations_running(struct operations *ops, char id[ID_SIZE])
{
	LOCKED(&ops->mutex);

	return running_now(ops, id);
}

void
operations_glance(struct operations *ops, char id[ID_SIZE])
{
	const int64_t since_ns = clock_mono_ns();

	/* By trying, not by waiting with a limit: ThreadSanitizer does not know that call. */
	while (pthread_mutex_trylock(&ops->mutex) != 0) {
		if (clock_since_ms(since_ns) > GLANCE_MS)
			return;
		(void)usleep(GLANCE_TRY_US);
	}
	if (!running_now(ops, id))
		id[0] = '\0';
	(void)pthread_mutex_unlock(&ops->mutex);
}

int
operation_alone(struct operation *o, struct err *e)
{
	struct operations *ops = o->ops;
	struct operation *const *other = &ops->slots[LANE_REHEARSAL].current;
	LOCKED(&ops->mutex);

	while (operation_running(*other)) {
		if (o->cancel)
			return err_set(e, ERR_CANCELLED, "cancelled");
		if (!(*other)->cancel) {
			(*other)->cancel = true;
			operation_touch(*other);
		}
		(void)pthread_cond_wait(&ops->changed, &ops->mutex);
	}
	return 0;
}

json_t *
operations_alive(struct operations *ops)
{
	json_t *list = json_array();
	LOCKED(&ops->mutex);

	for (int i = 0; i < LANES; i++) {
		const struct operation_slot *slot = &ops->slots[i];
		if (alive(slot->current))
			(void)json_array_append_new(list, operation_document(slot->current));
		if (slot->next != NULL)
			(void)json_array_append_new(list, operation_document(slot->next));
	}
	return list;
}

bool
operations_work_on(struct operations *ops, const char *backup)
{
	bool found = false;
	LOCKED(&ops->mutex);

	for (int i = 0; i < LANES; i++)
		found |= operation_running(ops->slots[i].current) &&
			 strcmp(ops->slots[i].current->backup, backup) == 0;
	return found;
}

bool
operations_restore(struct operations *ops, const char *backup)
{
	bool found = false;
	LOCKED(&ops->mutex);

	for (int i = 0; i < LANES; i++) {
		const struct operation *o = ops->slots[i].current;
		found |= operation_running(o) && strcmp(o->backup, backup) == 0 &&
			 (strcmp(o->kind, "restore") == 0 || strcmp(o->kind, "rehearse") == 0);
	}
	return found;
}

int
operations_get(struct operations *ops, const char *id, json_t **ret_document, struct err *e)
{
	(void)pthread_mutex_lock(&ops->mutex);
	const struct operation *found = operations_find(ops, id);
	*ret_document = found == NULL ? NULL : operation_document(found);
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
	while (!ops->stopping && alive(operations_find(ops, id)) &&
		operations_find(ops, id)->sequence <= after)
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
		const struct operation *found = id == NULL ? NULL : operations_find(ops, id);

		if (found != NULL)
			(void)json_array_set_new(*ret_array, i, operation_document(found));
	}
	return 0;
}

/* 1: it will; 0: there is none that runs; -1: it is too late. */
static int
ask_to_stop(struct operations *ops, const char *id, struct err *e)
{
	LOCKED(&ops->mutex);
	struct operation *found = operations_find(ops, id);

	if (!alive(found))
		return 0;
	if (found->decided)
		return err_set(e, ERR_CONFLICT,
			"operation %s cannot be cancelled any more: its result is decided, it "
			"only finishes (%s)",
			id, found->phase);
	found->cancel = true;
	operation_touch(found);
	return 1;
}

int
operations_cancel(struct operations *ops, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *doc = NULL;
	const int asked = ask_to_stop(ops, id, e);

	if (asked != 0)
		return asked < 0 ? -1 : 0;
	if (operations_get(ops, id, &doc, e) != 0)
		return -1;
	return err_set(e, ERR_CONFLICT, "operation %s has ended already", id);
}
