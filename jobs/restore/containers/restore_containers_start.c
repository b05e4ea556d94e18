/* Starting what a restore has put back, and waiting until it is up. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/containers/start_limit.h"
#include "jobs/restore/containers/tmpfs_fill.h"
#include "jobs/sources/order.h"

/* A container is up when it has run for STAY_MS without a break. */
enum { STAY_MS = 1500, LOOK_US = 100 * 1000, LOG_LINES = 10, STOP_SECONDS = 10, TIME_SIZE = 64 };
enum { RESTARTS_MORE = 2, RESTARTS_MAX = 5 };

static const char container_mode[] = "container:";

/* What is known of one container's coming up. */
struct upstart {
	char since[TIME_SIZE]; /* its start, as the engine tells it, */
	int64_t seen_ns;       /* and when it was first seen */
	int64_t awaited_ns;    /* when the wait for it began: the limit counts from then */
	bool settled;
};

struct starting {
	struct restore *restore;
	struct upstart *list; /* one for each item */
};

static bool
in_state(const struct restore_container *item, const char *state)
{
	return strcmp(container_state(item->inspect), state) == 0;
}

static int
failed_start(struct engine *g, const struct restore_container *item, const char *why, struct err *e)
{
	SCOPED(free_at) char *log = NULL;
	struct err ignored;

	(void)containers_log_tail(g, item->id, LOG_LINES, &log, &ignored);
	return err_set(e, ERR_ENGINE, "container %s %s; its last lines: %.400s", item->name, why,
		log == NULL || log[0] == '\0' ? "(none)" : log);
}

static bool
restore_containers_start_is_late(const struct upstart *u, const struct restore_container *item)
{
	return clock_since_ms(u->awaited_ns) > start_limit_ms(item->inspect);
}

/* Whether it goes on as it did when the backup was made: it is what it was, then.  Its restarts on
 * record are what it may have needed to come up; the engine waits twice as long before each. */
static bool
loops_as_before(const struct restore *r, const struct upstart *u,
	const struct restore_container *item, const json_t *now)
{
	const json_int_t count = json_integer_value(json_object_get(now, "RestartCount"));
	const json_int_t then = json_integer_value(json_object_get(item->inspect, "RestartCount"));
	const char *created_at = json_text(r->contents->manifest, "created_at", NULL);

	if (count == 0 || !start_limit_looped(item->inspect, created_at))
		return false;
	return count > (then < RESTARTS_MAX ? then : RESTARTS_MAX) + RESTARTS_MORE ||
	       restore_containers_start_is_late(u, item) ||
	       json_truth(item->inspect, "State", "Restarting");
}

/* One that does not run at this moment.  1: settled, 0: not yet, -1. */
static int
settled_down(const struct restore *r, const struct upstart *u, const struct restore_container *item,
	const json_t *now, struct err *e)
{
	struct engine *g = r->request->engine;
	const json_t *state = json_object_get(now, "State");
	const bool done = json_integer_value(json_object_get(state, "ExitCode")) == 0;

	if (json_truth(state, "Restarting", NULL))
		return restore_containers_start_is_late(u, item)
			       ? failed_start(g, item, "keeps restarting", e)
			       : 0;
	if (done)
		return 1; /* it has done its work */
	return failed_start(g, item,
		start_limit_comes_again(item->inspect)
			? "ended, and its restart policy gives it no further start"
			: "ended right after its start",
		e);
}

/* One that runs.  The same. */
static int
settled_up(const struct restore *r, struct upstart *u, const struct restore_container *item,
	const json_t *now, struct err *e)
{
	const char *since = json_text(now, "State", "StartedAt");
	const json_t *then = json_object_get(item->inspect, "State");

	if (strncmp(u->since, since, sizeof(u->since) - 1) != 0) { /* another start */
		(void)snprintf(u->since, sizeof(u->since), "%s", since);
		u->seen_ns = json_integer_value(json_object_get(now, "RestartCount")) == 0
				     ? item->started_ns
				     : clock_mono_ns();
	}
	if (strcmp(json_text(then, "Health", "Status"), "healthy") == 0) {
		const char *health = json_text(json_object_get(now, "State"), "Health", "Status");

		if (strcmp(health, "healthy") == 0)
			return 1;
		if (restore_containers_start_is_late(u, item))
			return failed_start(r->request->engine, item,
				strcmp(health, "unhealthy") == 0 ? "is unhealthy"
								 : "does not become healthy",
				e);
		return 0;
	}
	if (clock_since_ms(u->seen_ns) >= STAY_MS)
		return 1;
	return restore_containers_start_is_late(u, item)
		       ? failed_start(r->request->engine, item, "does not stay up", e)
		       : 0;
}

static int
settled(struct restore *r, struct upstart *u, const struct restore_container *item, struct err *e)
{
	SCOPED(json_decref_at) json_t *now = NULL;

	if (containers_inspect(r->request->engine, item->id, &now, e) != 0)
		return -1;
	if (loops_as_before(r, u, item, now)) {
		restore_warn(r, "container %s keeps restarting, as it did when the backup was made",
			item->name);
		return 1;
	}
	if (json_truth(now, "State", "Running") && !json_truth(now, "State", "Restarting"))
		return settled_up(r, u, item, now, e);
	return settled_down(r, u, item, now, e);
}

/* What fails for want of what is not there is told: the restore brought back what there was. */
static int
told_instead(struct restore *r, const struct restore_container *item, const struct err *e)
{
	const json_t *host = json_object_get(item->inspect, "HostConfig");
	const bool no_gpu = json_array_size(json_object_get(host, "DeviceRequests")) > 0 &&
			    strstr(e->text, "device driver") != NULL;

	if ((!item->lacks && !no_gpu) || e->code == ERR_UNREACHABLE || e->code == ERR_CANCELLED)
		return -1;
	restore_warn(r, "container %s does not run: %s", item->name, e->text);
	return 0;
}

static int
restore_containers_start_await_item(struct starting *s, size_t i, struct err *e)
{
	struct restore *r = s->restore;
	const struct restore_container *item = &r->items[i];
	struct upstart *u = &s->list[i];
	int status = 0;

	u->awaited_ns = clock_mono_ns();
	while (!u->settled && status == 0) {
		status = settled(r, u, item, e);
		u->settled = status != 0;
		if (status < 0)
			return told_instead(r, item, e);
		if (status == 0) {
			if (operation_check(r->operation, e) != 0)
				return -1;
			(void)usleep(LOOK_US);
		}
	}
	return 0;
}

/* Whether the restore has started it, and it is expected to run. */
static bool
is_awaited(const struct restore_container *item)
{
	return !item->keeps && item->started && in_state(item, "running");
}

/* Compose's service_healthy: what ${i} awaits the health of. */
static int
await_needed(struct starting *s, size_t i, struct err *e)
{
	struct restore *r = s->restore;

	for (size_t k = 0; k < i; k++)
		if (is_awaited(&r->items[k]) &&
			order_awaits_health(r->items[i].inspect, r->items[k].inspect) &&
			restore_containers_start_await_item(s, k, e) != 0)
			return -1;
	return 0;
}

/* 1 if the container whose namespace it shares runs (or it shares none), 0 if not, -1. */
static int
has_owner(const struct restore *r, const struct restore_container *item, struct err *e)
{
	static const char *const modes[] = {"NetworkMode", "IpcMode", "PidMode"};
	SCOPED(json_decref_at) json_t *now = NULL;
	const json_t *host;

	if (containers_inspect(r->request->engine, item->id, &now, e) != 0)
		return -1;
	host = json_object_get(now, "HostConfig");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		SCOPED(json_decref_at) json_t *owner = NULL;
		const char *mode = json_text(host, modes[i], NULL);

		if (strncmp(mode, container_mode, sizeof(container_mode) - 1) != 0)
			continue;
		if (containers_inspect(r->request->engine, mode + sizeof(container_mode) - 1,
			    &owner, e) != 0 &&
			e->code != ERR_NOT_FOUND)
			return -1;
		if (!json_truth(owner, "State", "Running"))
			return 0;
	}
	return 1;
}

/* The item that has ${address} on ${network} now, by this restore; or NULL. */
static struct restore_container *
restore_containers_start_holder_of(struct restore *r, const char *network, const char *address)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const size_t len = strlen(address);
	const char *id;
	json_t *holder;
	struct err ignored;

	if (len == 0 || networks_find(r->request->engine, network, &inspect, &ignored) != 0)
		return NULL;
	json_object_foreach (json_object_get(inspect, "Containers"), id, holder) {
		const char *v4 = json_text(holder, "IPv4Address", NULL);
		const char *v6 = json_text(holder, "IPv6Address", NULL);

		if ((strncmp(v4, address, len) != 0 || v4[len] != '/') &&
			(strncmp(v6, address, len) != 0 || v6[len] != '/'))
			continue;
		for (size_t i = 0; i < r->count; i++)
			if (r->items[i].started && r->items[i].id != NULL &&
				strcmp(r->items[i].id, id) == 0)
				return &r->items[i];
	}
	return NULL;
}

/* The item of this restore that got an address which ${item} has to have; NULL if there is none. */
static struct restore_container *
restore_containers_start_in_the_way(struct restore *r, const struct restore_container *item)
{
	static const char *const kinds[] = {"IPv4Address", "IPv6Address"};
	json_t *networks =
		json_object_get(json_object_get(item->inspect, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach (networks, name, endpoint) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			struct restore_container *holder = restore_containers_start_holder_of(
				r, name, json_text(endpoint, "IPAMConfig", kinds[i]));

			if (holder != NULL && holder != item)
				return holder;
		}
	}
	return NULL;
}

/* An address is dynamic anew with each start: whoever got a fixed one of another gives way. */
static int
start_with_address(struct restore *r, const struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	struct restore_container *holder;
	struct err why;

	if (containers_start(g, item->id, e) == 0)
		return 0;
	holder = strstr(e->text, "ddress already in use") == NULL
			 ? NULL
			 : restore_containers_start_in_the_way(r, item);
	why = *e;
	if (holder == NULL || containers_stop(g, holder->id, STOP_SECONDS, e) != 0) {
		*e = why;
		return -1;
	}
	if (containers_start(g, item->id, e) != 0 || containers_start(g, holder->id, e) != 0)
		return -1;
	holder->started_ns = clock_mono_ns();
	return 0;
}

/* It comes again by itself from its start on, if that is its policy. */
static int
start_item(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	const json_t *policy = container_restart_policy(item->inspect);
	int owner;

	if (item->way == WAY_IN_PLACE && item->policy_off) {
		if (containers_set_restart(g, item->id, policy, e) != 0)
			return -1;
		item->policy_off = false;
	}
	owner = has_owner(r, item, e);
	if (owner == 0) {
		restore_warn(r,
			"container %s was not started: the container whose network, processes or "
			"shared memory it uses does not run",
			item->name);
		return 0;
	}
	item->started = true;
	if (owner < 0 || start_with_address(r, item, e) != 0) {
		if (owner < 0 || told_instead(r, item, e) != 0)
			return -1;
		item->started = false;
		return 0;
	}
	if (tmpfs_fill(r, item, e) != 0)
		return -1;
	item->started_ns = clock_mono_ns();
	return 0;
}

static int
restore_containers_start_start_all(struct starting *s, struct err *e)
{
	struct restore *r = s->restore;

	for (size_t i = 0; i < r->count; i++) {
		if (r->items[i].keeps || in_state(&r->items[i], "stopped"))
			continue;
		if (await_needed(s, i, e) != 0)
			return -1;
		if (start_item(r, &r->items[i], e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	}
	return 0;
}

int
restore_containers_start(struct restore *r, struct err *e)
{
	SCOPED(free_at) struct upstart *list = mem_new((r->count + 1) * sizeof(*list));
	struct starting s = {r, list};

	if (restore_containers_start_start_all(&s, e) != 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		if (is_awaited(&r->items[i]) && restore_containers_start_await_item(&s, i, e) != 0)
			return -1;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].started && !r->items[i].keeps && in_state(&r->items[i], "paused") &&
			containers_pause(r->request->engine, r->items[i].id, e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	return 0;
}
