#include "engine/events.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scope.h"

enum { EVENTS_MAX = 10000, EVENT_MAX = 1024 * 1024 };

struct events {
	struct engine *engine;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
	bool broken;
	bool lost;
	struct err error;
	json_t *list;
	struct buf rest; /* of an event not complete yet; only the thread's */
};

static bool
cancelled(void *ctx)
{
	struct events *v = ctx;
	LOCKED(&v->mutex);

	return v->stop;
}

/* Docker's word for what happened. */
static json_t *
action_of(const json_t *event)
{
	static const char *const podmans[][2] = {{"died", "die"}, {"remove", "destroy"}};
	const char *action = json_string_value(json_object_get(event, "Action"));

	for (size_t i = 0; action != NULL && i < sizeof(podmans) / sizeof(podmans[0]); i++)
		if (strcmp(action, podmans[i][0]) == 0)
			return json_string(podmans[i][1]);
	return json_incref(json_object_get(event, "Action"));
}

static void
events_keep(struct events *v, const json_t *event)
{
	const json_t *actor = json_object_get(event, "Actor");
	json_t *short_event = json_pack("{s:o?, s:O?, s:O?, s:O?}", "action", action_of(event),
		"id", json_object_get(actor, "ID"), "name",
		json_object_get(json_object_get(actor, "Attributes"), "name"), "time_ns",
		json_object_get(event, "timeNano"));
	LOCKED(&v->mutex);

	if (json_array_size(v->list) >= EVENTS_MAX) {
		v->lost = true;
		json_decref(short_event);
	} else {
		(void)json_array_append_new(v->list, short_event);
	}
}

/* Events come as JSON objects, one after the other, with or without a newline between. */
static int
events_on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct events *v = ctx;

	if (buf_add(&v->rest, data, len) != 0)
		return err_set(
			e, ERR_TOO_LARGE, "an event of the engine is over %d bytes", EVENT_MAX);
	for (;;) {
		json_error_t error;
		SCOPED(json_decref_at)
		json_t *event =
			json_parse(v->rest.data, v->rest.len, JSON_DISABLE_EOF_CHECK, &error);

		if (event == NULL)
			return 0; /* not complete yet */
		buf_drop_front(&v->rest, (size_t)error.position);
		events_keep(v, event);
	}
}

static void *
events_follow(void *ctx)
{
	struct events *v = ctx;
	SCOPED(http_reply_free) struct http_reply reply = HTTP_REPLY_INIT;
	const struct sink sink = {.write = events_on_data, .ctx = v};
	struct http_request request = {.method = "GET",
		.path = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D",
		.sink = &sink,
		.cancelled = cancelled,
		.ctx = v,
		.stall_ms = -1};
	struct err e = {.code = ERR_NONE};
	const int status = engine_call(v->engine, &request, &reply, &e);

	(void)pthread_mutex_lock(&v->mutex);
	v->broken = true;
	if (status == 0)
		(void)err_set(&e, ERR_UNREACHABLE, "the engine ended its stream of events");
	v->error = e;
	(void)pthread_cond_broadcast(&v->changed);
	(void)pthread_mutex_unlock(&v->mutex);
	return NULL;
}

int
events_open(struct engine *g, struct events **ret_events, struct err *e)
{
	struct events *v;

	if (engine_api(g, e) < 0)
		return -1;
	v = mem_new(sizeof(*v));
	v->engine = g;
	v->list = json_array();
	v->rest = (struct buf)BUF_INIT(EVENT_MAX);
	(void)pthread_mutex_init(&v->mutex, NULL);
	(void)pthread_cond_init(&v->changed, NULL);
	if (pthread_create(&v->thread, NULL, events_follow, v) != 0) {
		json_decref(v->list);
		free(v);
		return err_set(e, ERR_INTERNAL, "no thread could be started");
	}
	*ret_events = v;
	return 0;
}

void
events_close(struct events *v)
{
	if (v == NULL)
		return;
	(void)pthread_mutex_lock(&v->mutex);
	v->stop = true;
	(void)pthread_mutex_unlock(&v->mutex);
	(void)pthread_join(v->thread, NULL);
	json_decref(v->list);
	buf_free(&v->rest);
	(void)pthread_cond_destroy(&v->changed);
	(void)pthread_mutex_destroy(&v->mutex);
	free(v);
}

void
events_close_at(struct events **v)
{
	events_close(*v);
}

int
events_take(struct events *v, json_t **ret_array, struct err *e)
{
	LOCKED(&v->mutex);

	if (v->broken) {
		*e = v->error;
		return -1;
	}
	if (v->lost)
		return err_set(
			e, ERR_CHANGED, "more than %d events came: some are lost", EVENTS_MAX);
	*ret_array = v->list;
	v->list = json_array();
	return 0;
}
