/* Changing a Swarm's services, and the way back. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/swarm.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/services_internal.h"

/* UP_MS: as long as a container gets at least.  STAY_MS: a task that ends is another one some
 * seconds later, so one look is none.  STOP_MS: besides the grace that a service has. */
enum { UP_MS = 120 * 1000, STAY_MS = 1500, STOP_MS = 60 * 1000, LOOK_US = 200 * 1000 };

static const int64_t GRACE_MS = 10 * 1000; /* Swarm's own default */

/* No node has it: a global service that wants it runs nowhere. */
static const char nowhere[] = "node.labels.fuel-backup==stopped";

/* ---- stopping ---- */

bool
services_can_stop(const json_t *before)
{
	const json_t *mode = json_object_get(json_object_get(before, "Spec"), "Mode");

	return json_object_get(mode, "Replicated") != NULL ||
	       json_object_get(mode, "Global") != NULL;
}

/* What a service gets to run nowhere; a new object. */
static json_t *
stopped_spec(const json_t *spec)
{
	json_t *copy = json_deep_copy(spec);
	json_t *template = json_object_get(copy, "TaskTemplate");
	json_t *replicated = json_object_get(json_object_get(copy, "Mode"), "Replicated");
	json_t *placement, *constraints;

	if (replicated != NULL) {
		(void)json_object_set_new(replicated, "Replicas", json_integer(0));
		return copy;
	}
	placement = json_object_get(template, "Placement");
	if (!json_is_object(placement)) {
		placement = json_object();
		(void)json_object_set_new(template, "Placement", placement);
	}
	constraints = json_object_get(placement, "Constraints");
	if (!json_is_array(constraints)) {
		constraints = json_array();
		(void)json_object_set_new(placement, "Constraints", constraints);
	}
	(void)json_array_append_new(constraints, json_string(nowhere));
	return copy;
}

/* Whether a task of ${service} runs on this node. */
static int
runs_here(struct engine *g, const char *service, bool *ret_runs, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (containers_list(g, &list, e) != 0)
		return -1;
	*ret_runs = false;
	json_array_foreach (list, i, item) {
		const char *name =
			json_string_value(json_array_get(json_object_get(item, "Names"), 0));
		const char *of = name == NULL ? NULL
					      : labels_service(json_object_get(item, "Labels"),
							name + (name[0] == '/'));
		const char *state = json_text(item, "State", NULL);

		if (of != NULL && strcmp(of, service) == 0 &&
			(strcmp(state, "running") == 0 || strcmp(state, "paused") == 0))
			*ret_runs = true;
	}
	return 0;
}

static int
await_stop(struct engine *g, const char *name, const json_t *spec, struct err *e)
{
	const json_t *container =
		json_object_get(json_object_get(spec, "TaskTemplate"), "ContainerSpec");
	const json_t *grace = json_object_get(container, "StopGracePeriod");
	const int64_t limit_ms =
		STOP_MS + (json_is_integer(grace) ? json_integer_value(grace) / 1000000 : GRACE_MS);
	const int64_t since_ns = clock_mono_ns();

	for (bool runs = true; runs;) {
		if (runs_here(g, name, &runs, e) != 0)
			return -1;
		if (runs && clock_since_ms(since_ns) > limit_ms)
			return err_set(e, ERR_TIMEOUT, "its tasks do not end");
		if (runs)
			(void)usleep(LOOK_US);
	}
	return 0;
}

static int
stop_one(struct engine *g, const char *name, const json_t *before, struct err *e)
{
	const json_t *spec = json_object_get(before, "Spec");
	SCOPED(json_decref_at) json_t *stopped = stopped_spec(spec);

	if (swarm_update(g, json_text(before, "ID", NULL), stopped, e) != 0)
		return -1;
	return await_stop(g, name, spec, e);
}

int
services_stop(struct restore *r, struct err *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach (r->services, i, one) {
		const char *name = json_text(one, "name", NULL);

		if (json_truth(one, "stop", NULL) &&
			stop_one(r->request->engine, name, json_object_get(one, "before"), e) != 0)
			return err_prefix(e, "service %s", name);
	}
	return 0;
}

/* ---- secrets and configs ---- */

static json_t *
recorded_of(const struct restore *r, const char *kind)
{
	return json_object_get(json_object_get(r->contents->manifest, "swarm"), kind);
}

/* Whether a service that is restored names it. */
static bool
is_wanted(const struct restore *r, const char *field, const char *name_field, const char *name)
{
	const json_t *one, *reference;
	size_t i, k;

	json_array_foreach (r->services, i, one) {
		const json_t *spec = json_object_get(json_object_get(one, "recorded"), "Spec");
		const json_t *container =
			json_object_get(json_object_get(spec, "TaskTemplate"), "ContainerSpec");

		json_array_foreach (json_object_get(container, field), k, reference) {
			if (strcmp(json_text(reference, name_field, NULL), name) == 0)
				return true;
		}
	}
	return false;
}

json_t *
services_lacking(const struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = json_array();
	const json_t *secret;
	size_t i;

	json_array_foreach (recorded_of(r, "secrets"), i, secret) {
		const char *name = swarm_name(secret);
		SCOPED(json_decref_at) json_t *present = NULL;

		if (json_is_string(json_object_get(secret, "value")) || !r->manages ||
			!is_wanted(r, "Secrets", "SecretName", name) ||
			swarm_find(r->request->engine, "secrets", name, &present, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return NULL;
		(void)json_array_append_new(list, json_string(name));
	}
	return TAKE(list);
}

/* A config of that name with other data stays, for none can be changed. */
static void
tell_config(struct restore *r, const json_t *recorded, const json_t *present)
{
	if (!json_equal(json_object_get(json_object_get(recorded, "Spec"), "Data"),
		    json_object_get(json_object_get(present, "Spec"), "Data")))
		restore_warn(r,
			"the Swarm config %s is here with other data and stays as it is: to have "
			"that of the backup, remove it first",
			swarm_name(recorded));
}

static int
supply_one(struct restore *r, const char *kind, const json_t *object, struct err *e)
{
	SCOPED(json_decref_at) json_t *present = NULL;
	SCOPED(json_decref_at) json_t *spec = json_copy(json_object_get(object, "Spec"));
	const bool secret = strcmp(kind, "secrets") == 0;

	if (swarm_find(r->request->engine, kind, swarm_name(object), &present, e) == 0) {
		if (!secret)
			tell_config(r, object, present);
		return 0;
	}
	if (e->code != ERR_NOT_FOUND)
		return -1;
	if (secret)
		(void)json_object_set(spec, "Data", json_object_get(object, "value"));
	return swarm_create(r->request->engine, kind, spec, e);
}

static int
supply(struct restore *r, const char *kind, const char *field, const char *name_field,
	struct err *e)
{
	const json_t *object;
	size_t i;

	json_array_foreach (recorded_of(r, kind), i, object) {
		if (is_wanted(r, field, name_field, swarm_name(object)) &&
			supply_one(r, kind, object, e) != 0)
			return err_prefix(e, "%s of the Swarm: %s", kind, swarm_name(object));
	}
	return 0;
}

int
services_supply(struct restore *r, struct err *e)
{
	if (supply(r, "secrets", "Secrets", "SecretName", e) != 0)
		return -1;
	return supply(r, "configs", "Configs", "ConfigName", e);
}

/* ---- starting ---- */

/* The ids that secrets or configs have here. */
static int
give_ids(struct engine *g, const char *kind, json_t *list, const char *name_field,
	const char *id_field, struct err *e)
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		SCOPED(json_decref_at) json_t *object = NULL;

		if (swarm_find(g, kind, json_text(one, name_field, NULL), &object, e) != 0)
			return -1;
		(void)json_object_set(one, id_field, json_object_get(object, "ID"));
	}
	return 0;
}

/* An image that was loaded from an archive is known by its tag alone. */
static void
give_image(struct restore *r, const char *service, json_t *container)
{
	const char *image = json_text(container, "Image", NULL),
		   *digest = strstr(image, "@sha256:");
	SCOPED(json_decref_at) json_t *there = NULL;
	SCOPED(free_at)
	char *tag = digest == NULL ? NULL : mem_copy(image, (size_t)(digest - image));
	struct err ignored;

	if (tag == NULL || images_inspect(r->request->engine, image, &there, &ignored) == 0 ||
		images_inspect(r->request->engine, tag, &there, &ignored) != 0)
		return;
	restore_warn(r,
		"service %s takes the image %s that is here: no registry's digest of it is known",
		service, tag);
	(void)json_object_set_new(container, "Image", json_string(tag));
}

/* The recorded settings, for this Swarm; a new object, NULL on error. */
static json_t *
spec_for(struct restore *r, const json_t *recorded, struct err *e)
{
	SCOPED(json_decref_at) json_t *spec = json_deep_copy(json_object_get(recorded, "Spec"));
	json_t *container = json_object_get(json_object_get(spec, "TaskTemplate"), "ContainerSpec");
	struct engine *g = r->request->engine;

	if (give_ids(g, "secrets", json_object_get(container, "Secrets"), "SecretName", "SecretID",
		    e) != 0 ||
		give_ids(g, "configs", json_object_get(container, "Configs"), "ConfigName",
			"ConfigID", e) != 0)
		return NULL;
	give_image(r, swarm_name(recorded), container);
	return TAKE(spec);
}

static int
apply(struct restore *r, const json_t *one, struct err *e)
{
	const char *way = json_text(one, "way", NULL);
	const json_t *before = json_object_get(one, "before");
	const char *id = json_text(before, "ID", NULL);
	SCOPED(json_decref_at) json_t *spec = NULL;

	if (strcmp(way, "unchanged") == 0)
		return json_truth(one, "stop", NULL) ? swarm_update(r->request->engine, id,
							       json_object_get(before, "Spec"), e)
						     : 0;
	spec = spec_for(r, json_object_get(one, "recorded"), e);
	if (spec == NULL)
		return -1;
	return strcmp(way, "created") == 0 ? swarm_create(r->request->engine, "services", spec, e)
					   : swarm_update(r->request->engine, id, spec, e);
}

/* As many as ran when the backup was made; of one that is not in it, as ran before. */
static size_t
expected(const json_t *one)
{
	const json_t *recorded = json_object_get(one, "recorded");

	return (size_t)json_integer_value(json_object_get(
		json_is_null(recorded) ? json_object_get(one, "before") : recorded, "running"));
}

static int
await_one(struct restore *r, const json_t *one, struct err *e)
{
	const char *name = json_text(one, "name", NULL);
	const int64_t since_ns = clock_mono_ns();
	int64_t up_ns = 0;

	for (;;) {
		SCOPED(free_at) char *why = NULL;
		size_t running, wanted;

		if (swarm_tasks(r->request->engine, name, &running, &wanted, &why, e) != 0)
			return -1;
		/* One node that is gone has no say: the others do what they can. */
		if (running < expected(one) && (running < wanted || wanted == 0))
			up_ns = 0;
		else if (up_ns == 0)
			up_ns = clock_mono_ns();
		if (up_ns != 0 && clock_since_ms(up_ns) >= STAY_MS)
			return 0;
		if (clock_since_ms(since_ns) > UP_MS)
			return err_set(e, ERR_ENGINE, "%zu of its %zu tasks run: %.300s", running,
				expected(one), why == NULL ? "Swarm does not say why" : why);
		if (operation_check(r->operation, e) != 0)
			return -1;
		(void)usleep(LOOK_US);
	}
}

int
services_start(struct restore *r, struct err *e)
{
	const json_t *one;
	size_t i;

	json_array_foreach (r->services, i, one) {
		if (apply(r, one, e) != 0)
			return err_prefix(e, "service %s", json_text(one, "name", NULL));
	}
	json_array_foreach (r->services, i, one) {
		const bool changed = json_truth(one, "stop", NULL) ||
				     strcmp(json_text(one, "way", NULL), "unchanged") != 0;

		if (changed && expected(one) > 0 && await_one(r, one, e) != 0)
			return err_prefix(e, "service %s", json_text(one, "name", NULL));
	}
	return 0;
}

/* ---- the way back ---- */

/* One that was made by this restore goes. */
static int
remove_made(struct engine *g, const char *name, struct err *e)
{
	SCOPED(json_decref_at) json_t *present = NULL;

	if (swarm_find(g, "services", name, &present, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (swarm_remove(g, "services", json_text(present, "ID", NULL), e) != 0)
		return -1;
	return await_stop(g, name, json_object_get(present, "Spec"), e);
}

static int
halt_one(struct restore *r, const json_t *one, struct err *e)
{
	const char *name = json_text(one, "name", NULL), *way = json_text(one, "way", NULL);

	if (strcmp(way, "created") == 0)
		return remove_made(r->request->engine, name, e);
	if (!json_truth(one, "stop", NULL) && strcmp(way, "updated") != 0)
		return 0;
	if (!services_can_stop(json_object_get(one, "before")))
		return 0;
	return stop_one(r->request->engine, name, json_object_get(one, "before"), e);
}

void
services_halt(struct restore *r)
{
	const json_t *one;
	struct err e;
	size_t i;

	json_array_foreach (r->started ? r->services : NULL, i, one) {
		if (halt_one(r, one, &e) != 0 && e.code != ERR_NOT_FOUND)
			log_error("restore: service %s does not stop: %s",
				json_text(one, "name", NULL), e.text);
	}
}

/* Its old settings; somebody who removed it meanwhile meant that. */
static int
undo_one(struct restore *r, const json_t *one, struct err *e)
{
	const json_t *before = json_object_get(one, "before");

	if (swarm_update(r->request->engine, json_text(before, "ID", NULL),
		    json_object_get(before, "Spec"), e) == 0)
		return 0;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	restore_left(r, "service", json_text(one, "name", NULL), "it was removed meanwhile");
	return 0;
}

int
services_undo(struct restore *r)
{
	const json_t *one;
	int status = 0;
	struct err e;
	size_t i;

	json_array_foreach (r->stopping ? r->services : NULL, i, one) {
		const char *name = json_text(one, "name", NULL), *way = json_text(one, "way", NULL);
		const bool touched = json_truth(one, "stop", NULL) ||
				     (r->started && strcmp(way, "updated") == 0);

		if (strcmp(way, "created") == 0 || !touched || undo_one(r, one, &e) == 0)
			continue;
		log_error("restore: service %s is not back: %s", name, e.text);
		restore_trouble(r, "service", name, &e);
		status = -1;
	}
	return status;
}
