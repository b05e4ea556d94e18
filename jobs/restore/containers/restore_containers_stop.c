/* Stopping what a restore changes: all at once, but a container only after those that need it. */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/sources/order.h"

/* A container gets as long to end by itself as it was made with, else what the engine gives. */
enum { STOP_SECONDS = 10, AT_ONCE_MAX = 64 };

/* `docker stop` of the service gives it ten seconds; the undo wants the rest. */
enum { GRACE_MS = 4000 };

struct halting {
	struct operation *operation;
	int64_t ending_ns; /* clock_mono_ns: the service shall end; 0: not so */
	struct engine *engine;
	struct restore_container *item;
	pthread_t thread;
	bool running, done;
	int status;
	struct err e;
};

static int
stop_item(struct engine *g, struct restore_container *item, struct err *e)
{
	SCOPED(json_decref_at) json_t *off = json_pack("{s:s}", "Name", "no");
	const json_t *host = json_object_get(item->present, "HostConfig");
	const char *policy = json_text(host, "RestartPolicy", "Name");
	const json_t *seconds =
		json_object_get(json_object_get(item->present, "Config"), "StopTimeout");

	if (policy[0] != '\0' && strcmp(policy, "no") != 0) {
		if (containers_set_restart(g, item->id, off, e) != 0)
			return -1;
		item->policy_off = true;
	}
	if (strcmp(container_state(item->present), "stopped") == 0)
		return 0;
	if (json_truth(item->present, "State", "Paused") && containers_unpause(g, item->id, e) != 0)
		return -1;
	item->stopped = true;
	item->unsure = true;
	if (containers_stop(g, item->id,
		    json_is_integer(seconds) ? (int)json_integer_value(seconds) : STOP_SECONDS,
		    e) != 0)
		return -1;
	item->unsure = false;
	return 0;
}

/* A service that shall end does not wait for a container that takes its time: what that one was
 * asked to do is undone by the operation's end. */
static bool
is_too_late(void *ctx)
{
	struct halting *h = ctx;

	if (!operation_stopping(h->operation))
		return false;
	if (h->ending_ns == 0)
		h->ending_ns = clock_mono_ns();
	return clock_since_ms(h->ending_ns) >= GRACE_MS;
}

static void *
halt(void *ctx)
{
	struct halting *h = ctx;

	engine_give_up(is_too_late, h);
	h->status = stop_item(h->engine, h->item, &h->e);
	engine_give_up(NULL, NULL);
	return NULL;
}

/* True if a container that still runs needs that of ${h}. */
static bool
needed(const struct halting *all, size_t count, const struct halting *h)
{
	for (size_t i = 0; i < count; i++)
		if (!all[i].done && &all[i] != h && all[i].item > h->item &&
			order_needs(all[i].item->inspect, h->item->inspect, true))
			return true;
	return false;
}

/* Stop all that nobody needs any more. */
static int
halt_some(struct halting *all, size_t count, struct err *e)
{
	size_t running = 0;
	int status = 0;

	for (size_t i = 0; i < count; i++)
		all[i].running = !all[i].done && running < AT_ONCE_MAX &&
				 !needed(all, count, &all[i]) && ++running > 0;
	for (size_t i = 0; i < count; i++)
		if (all[i].running && pthread_create(&all[i].thread, NULL, halt, &all[i]) != 0) {
			(void)halt(&all[i]);
			all[i].running = false;
			all[i].done = true;
		}
	for (size_t i = 0; i < count; i++) {
		if (all[i].running)
			(void)pthread_join(all[i].thread, NULL);
		all[i].done = all[i].done || all[i].running;
		if (all[i].done && all[i].status != 0 && status == 0) {
			*e = all[i].e;
			status = err_prefix(e, "container %s", all[i].item->name);
		}
	}
	return status;
}

int
restore_containers_stop(struct restore *r, struct err *e)
{
	SCOPED(free_at) struct halting *all = mem_new((r->count + 1) * sizeof(*all));
	size_t count = 0, done = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].present != NULL && !r->items[i].keeps) {
			all[count].operation = r->operation;
			all[count].engine = r->request->engine;
			all[count++].item = &r->items[i];
		}
	while (done < count) {
		if (halt_some(all, count, e) != 0)
			return -1;
		done = 0;
		for (size_t i = 0; i < count; i++)
			done += all[i].done;
	}
	return 0;
}
