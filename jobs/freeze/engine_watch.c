#include "jobs/freeze/engine_watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/events.h"
#include "jobs/operations/host_facts.h"

struct watch {
	struct engine *engine;
	struct events *events;
	int64_t frozen_ns;
	int64_t thawing_ns;
	int64_t ahead_ns; /* the engine's clock of ours, 0 while they agree */
	int64_t slack_ns; /* so well is that known */
	bool told;
	json_t *disturbed; /* ids */
};

/* Events come in order, so when our own unpause is seen all earlier ones were.  Two seconds: an
 * engine that is slower has other troubles, and the backup is then not vouched for. */
enum { WAIT_MS = 2000, STEP_MS = 10 };

/* Besides the time that the answer took, where the engine's clock differs. */
static const int64_t CLOCK_SLACK_NS = 50 * 1000000;

/* Events bear the engine's time. */
static int
clock_measure(struct watch *w, struct err *e)
{
	SCOPED(json_decref_at) json_t *info = NULL;
	const int64_t before_ns = clock_real_ns();

	if (engine_info(w->engine, &info, e) != 0)
		return -1;
	const int64_t after_ns = clock_real_ns();
	if (!host_clock(info, before_ns, after_ns, &w->ahead_ns))
		w->ahead_ns = 0; /* it tells no time: ours, then */
	w->slack_ns = w->ahead_ns == 0 ? 0 : after_ns - before_ns + CLOCK_SLACK_NS;
	return 0;
}

/* Told once, for its owner: schedules, lists and certificates go by it, too. */
static void
clock_tell(struct watch *w, struct inventory *v)
{
	if (w->ahead_ns == 0 || w->told)
		return;
	w->told = true;
	inventory_warn(v,
		"the engine's clock is %lld s %s the service's: set both right, or the times of "
		"backups mislead",
		(long long)(llabs(w->ahead_ns) / 1000000000),
		w->ahead_ns > 0 ? "ahead of" : "behind");
}

int
engine_watch_open(struct engine *g, struct watch **ret_witness, struct err *e)
{
	struct watch *w = mem_new(sizeof(*w));

	w->engine = g;
	w->disturbed = json_array();
	if (clock_measure(w, e) != 0 || events_open(g, &w->events, e) != 0) {
		json_decref(w->disturbed);
		free(w);
		return -1;
	}
	*ret_witness = w;
	return 0;
}

void
engine_watch_close(struct watch *w)
{
	if (w == NULL)
		return;
	events_close(w->events);
	json_decref(w->disturbed);
	free(w);
}

static bool
engine_watch_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* The place of ${id} in the inventory's containers, or -1. */
static ssize_t
engine_watch_place(const struct inventory *v, const char *id)
{
	const json_t *inspect;
	size_t i;

	json_array_foreach (v->containers, i, inspect) {
		if (strcmp(json_text(inspect, "Id", NULL), id) == 0)
			return (ssize_t)i;
	}
	return -1;
}

/* The backup knows it by the name that it had when the plan was read. */
static void
keep_first_name(struct inventory *v, const json_t *old, json_t *inspect)
{
	if (json_equal(json_object_get(old, "Name"), json_object_get(inspect, "Name")))
		return;
	inventory_warn(v, "container %s was renamed to %s while the backup was made",
		container_name(old), container_name(inspect));
	(void)json_object_set(inspect, "Name", json_object_get(old, "Name"));
}

static int
inspect_again(struct watch *w, struct inventory *v, size_t i, struct err *e)
{
	const json_t *old = json_array_get(v->containers, i);
	json_t *inspect = NULL;

	if (containers_inspect(w->engine, json_text(old, "Id", NULL), &inspect, e) != 0) {
		if (e->code != ERR_NOT_FOUND)
			return inventory_omit(v, i, "see why the engine cannot inspect it", e);
		inventory_forget(v, i);
		return 0;
	}
	keep_first_name(v, old, inspect);
	/* Paused by us, if it was not before: its owner's state is what is recorded. */
	if (!json_truth(old, "State", "Paused") && json_truth(inspect, "State", "Paused")) {
		json_t *state = json_object_get(inspect, "State");

		(void)json_object_set_new(state, "Paused", json_false());
		(void)json_object_set_new(state, "Status", json_string("running"));
	}
	return json_array_set_new(v->containers, i, inspect);
}

int
engine_watch_settle(struct watch *w, struct inventory *v, struct err *e)
{
	static const char *const touching[] = {
		"start", "die", "destroy", "rename", "update", "stop", "restart", "unpause", NULL};
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *event;
	size_t i;

	if (events_take(w->events, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, event) {
		const ssize_t at = engine_watch_place(v, json_text(event, "id", NULL));

		if (at >= 0 && engine_watch_one_of(json_text(event, "action", NULL), touching) &&
			inspect_again(w, v, (size_t)at, e) != 0)
			return -1;
	}
	return 0;
}

int
engine_watch_frozen(struct watch *w, struct inventory *v, struct err *e)
{
	w->frozen_ns = clock_real_ns();
	w->thawing_ns = INT64_MAX;
	clock_tell(w, v);
	(void)json_array_clear(w->disturbed);
	return engine_watch_settle(w, v, e);
}

void
engine_watch_thawing(struct watch *w)
{
	w->thawing_ns = clock_real_ns();
}

/* Judge one event; ${ret_ours}: it is the thaw of our own, or what we asked for behind it. */
static void
judge(struct watch *w, const struct freeze *f, struct inventory *v, const json_t *event,
	bool *ret_ours, struct err *ret_why)
{
	static const char *const disturbing[] = {
		"start", "die", "destroy", "restart", "unpause", "kill", "stop", NULL};
	const int64_t when = json_integer_value(json_object_get(event, "time_ns")) - w->ahead_ns;
	const char *action = json_text(event, "action", NULL);
	const char *id = json_text(event, "id", NULL);
	const ssize_t at = engine_watch_place(v, id);

	if (when >= w->thawing_ns - w->slack_ns) {
		*ret_ours = *ret_ours || freeze_is_mark(f, id, action);
		return;
	}
	if (at < 0)
		return;
	if (when < w->frozen_ns + w->slack_ns || !engine_watch_one_of(action, disturbing))
		return;
	const char *name = container_name(json_array_get(v->containers, (size_t)at));
	if (!freeze_holds(f, id)) {
		inventory_warn(v,
			"container %s did not stand still with the others (\"%s\" came while they "
			"did): what it wrote then may be in its files",
			name, action);
		return;
	}
	(void)json_array_append_new(w->disturbed, json_string(id));
	(void)err_set(ret_why, ERR_CHANGED,
		"container %s: somebody else did \"%s\" while it was frozen, so the copy is of no "
		"single instant: start the backup again",
		name, action);
}

int
engine_watch_judge(struct watch *w, const struct freeze *f, struct inventory *v, struct err *e)
{
	SCOPED(json_decref_at) json_t *windows = freeze_windows(f);
	bool seen = json_object_size(windows) == 0;

	if (!seen && freeze_mark(f, e) != 0)
		return -1;
	for (int waited = 0; waited == 0 || (!seen && waited < WAIT_MS); waited += STEP_MS) {
		SCOPED(json_decref_at) json_t *list = NULL;
		const json_t *event;
		size_t i;

		if (waited > 0)
			(void)usleep(STEP_MS * 1000);
		if (events_take(w->events, &list, e) != 0)
			return -1;
		json_array_foreach (list, i, event) {
			judge(w, f, v, event, &seen, e);
		}
	}
	if (json_array_size(w->disturbed) > 0)
		return -1;
	if (!seen)
		return err_set(e, ERR_CHANGED,
			"the engine's events broke off, so nobody knows whether the containers "
			"stayed frozen: start the backup again");
	return 0;
}

const json_t *
engine_watch_disturbed(const struct watch *w)
{
	return w->disturbed;
}
