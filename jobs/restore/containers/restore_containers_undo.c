/* The way back of a restore's containers, also after a crash, and the last steps of one that runs.
 * Whoever removed, renamed or made something meanwhile decided so: what cannot be put back is named
 * once (restore_left), and is no error. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/replaced_networks.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/containers/start_limit.h"

enum { START_TRIES = 20, START_AGAIN_US = 500 * 1000 };

/* A stop that the service does not wait for any more ends by a kill; that takes a moment. */
enum { END_LOOKS = 50, END_LOOK_US = 100 * 1000 };

/* What a container that is stopped gets if it was made without a time of its own. */
enum { STOP_SECONDS = 10, STOP_SECONDS_MAX = 600 };

static bool
was(const json_t *inspect, const char *state)
{
	return inspect != NULL && strcmp(container_state(inspect), state) == 0;
}

static bool
auto_removes(const json_t *inspect)
{
	return json_truth(inspect, "HostConfig", "AutoRemove");
}

int
restore_containers_finish(struct restore *r, struct err *e)
{
	struct engine *g = r->request->engine;

	/* Who depends on another goes first: Podman removes nothing that is depended on. */
	for (size_t i = r->count; i-- > 0;) {
		struct restore_container *item = &r->items[i];

		/* By its id: it may have been renamed by hand meanwhile. */
		if (item->aside != NULL &&
			containers_remove(g, json_text(item->present, "Id", NULL), e) != 0)
			return err_prefix(e, "container %s", item->aside);
		if (item->way != WAY_IN_PLACE || !item->policy_off ||
			containers_set_restart(
				g, item->id, container_restart_policy(item->inspect), e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return err_prefix(e, "container %s", item->name);
		restore_left(r, "container", item->name, "it was removed meanwhile");
	}
	return 0;
}

/*
 * An engine that was killed and is back may refuse what it was doing (“task … already exists”)
 * until it has seen what became of that, which takes it a moment.
 */
static int
start_again(struct engine *g, const char *id, struct err *e)
{
	for (int tries = START_TRIES;; tries--) {
		const int status = containers_start(g, id, e);

		if (status == 0 || tries == 1 || e->code != ERR_ENGINE || e->number < 500)
			return status;
		(void)usleep(START_AGAIN_US);
	}
}

int
restore_containers_wake(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];

		if (!was(item->inspect, "running") || item->id == NULL ||
			start_again(r->request->engine, item->id, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND)
			return err_prefix(e, "container %s", item->name);
		restore_left(r, "container", item->name, "it does not start: %s", e->text);
	}
	return 0;
}

/* Its policy first: else the engine starts one again that ends by itself just now. */
static void
halt_item(struct engine *g, struct restore_container *item)
{
	SCOPED(json_decref_at) json_t *off = json_pack("{s:s}", "Name", "no");
	struct err e;

	if (!item->policy_off && item->way == WAY_IN_PLACE &&
		start_limit_comes_again(item->present) &&
		containers_set_restart(g, item->id, off, &e) == 0)
		item->policy_off = true;
	(void)containers_kill(g, item->id, "KILL", &e);
}

void
restore_containers_halt(struct restore *r)
{
	for (size_t i = r->count; i-- > 0;)
		if (r->items[i].id != NULL && !was(r->items[i].inspect, "stopped") &&
			!r->items[i].untouched && !r->items[i].keeps &&
			(r->items[i].created ||
				(r->items[i].way == WAY_IN_PLACE &&
					(r->items[i].stopped || r->items[i].started))))
			halt_item(r->request->engine, &r->items[i]);
}

/* One network of ${item} that is gone is made again, and the container put into it. */
static int
mend_network(struct restore *r, const struct restore_container *item, const char *name,
	const json_t *endpoint, struct err *e)
{
	struct engine *g = r->request->engine;
	const json_t *recorded = json_object_get(r->networks, name);
	SCOPED(json_decref_at) json_t *present = NULL;
	SCOPED(json_decref_at) json_t *again = NULL;
	struct err ignored;

	if (networks_predefined(name))
		return 0;
	if (networks_find(g, name, &present, e) == 0) {
		const char *id = json_text(endpoint, "NetworkID", NULL);

		return strcmp(json_text(present, "Id", NULL), id) == 0 || strcmp(name, id) == 0 ? 0
												: 1;
	}
	if (e->code != ERR_NOT_FOUND)
		return -1;
	if (recorded == NULL || networks_recreate(g, recorded, e) != 0) {
		restore_left(r, "network", name, "it was removed meanwhile");
		return 0;
	}
	restore_left(r, "network", name, "it was removed meanwhile, and is made again");
	again = json_pack("{s:O*, s:O*, s:O*}", "IPAMConfig",
		json_object_get(endpoint, "IPAMConfig"), "Aliases",
		json_object_get(endpoint, "Aliases"), "Links", json_object_get(endpoint, "Links"));
	(void)networks_disconnect(g, name, item->id, &ignored);
	return networks_connect(g, name, item->id, again, e);
}

static int
mend_networks(struct restore *r, const struct restore_container *item, struct err *e)
{
	json_t *networks =
		json_object_get(json_object_get(item->present, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach (networks, name, endpoint) {
		if (mend_network(r, item, name, endpoint, e) < 0)
			return -1;
	}
	return 0;
}

/* Start the old container of ${item}.  What it needs and is gone is named; an engine that fails is
 * an error. */
static int
start_old(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	const char *id = json_text(item->present, "Id", NULL);
	struct err of_network;

	free(item->id);
	item->id = mem_string(id);
	if (start_again(g, id, e) == 0)
		return 0;
	if (e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED)
		return -1;
	if (mend_networks(r, item, &of_network) != 0)
		return -1;
	return containers_start(g, id, e);
}

/* It runs again: it stands still again if its owner had paused it. */
static int
pause_again(struct restore *r, const struct restore_container *item, struct err *e)
{
	if (!was(item->present, "paused"))
		return 0;
	return containers_pause(r->request->engine, json_text(item->present, "Id", NULL), e);
}

/* The recorded id or name of a container, as it is in the old state: its id now. */
static const char *
id_in_old_state(void *ctx, const char *id)
{
	const struct restore *r = ctx;

	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];

		if (item->present == NULL)
			continue;
		if (strcmp(item->name, id) == 0 ||
			strcmp(json_text(item->present, "Id", NULL), id) == 0 ||
			(item->lost_id != NULL && strcmp(item->lost_id, id) == 0))
			return json_text(item->present, "Id", NULL);
	}
	return id; /* of one that is no part of this */
}

/* What it was made from: the name, if that still means the same image, else the id. */
static const char *
restore_containers_undo_image_of(struct engine *g, const json_t *present)
{
	const char *name = json_text(present, "Config", "Image");
	const char *id = json_text(present, "Image", NULL);
	SCOPED(json_decref_at) json_t *image = NULL;
	struct err e;

	return images_find(g, name, &image, &e) == 0 &&
			       strcmp(json_text(image, "Id", NULL), id) == 0
		       ? name
		       : id;
}

/* The old container of ${item}, which is gone, once more, from its inspect. */
static int
make_old(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	SCOPED(free_at) char *id = NULL;
	struct traits traits;
	struct recreate_options options = {.container = id_in_old_state,
		.ctx = r,
		.traits = &traits,
		.api = engine_api(g, e),
		.same_version = true,
		.image = restore_containers_undo_image_of(g, item->present)};
	const json_t *c;
	size_t i;

	if (options.api < 0 || traits_find(g, &traits, e) != 0 ||
		recreate_body(item->present, &options, &body, &connects, e) != 0 ||
		containers_create(g, item->name, body, &id, e) != 0)
		return -1;
	free(item->lost_id);
	item->lost_id = mem_string(json_text(item->present, "Id", NULL));
	item->lost = false;
	(void)json_object_set_new(item->present, "Id", json_string(id));
	json_array_foreach (connects, i, c) {
		const char *network = json_text(c, "network", NULL);
		const json_t *endpoint = json_object_get(c, "endpoint");

		if (endpoint != NULL && networks_connect(g, network, id, endpoint, e) != 0)
			return -1;
	}
	return 0;
}

/* The old container is gone: by the engine, which removes --rm containers that end, or by somebody
 * who removed it. */
static int
revive_lost(struct restore *r, struct restore_container *item, struct err *e)
{
	const bool ours = item->created || auto_removes(item->present);

	if (item->foreign) {
		restore_left(r, "container", item->name,
			"it was removed meanwhile, and another one of that name made, which stays");
		return 0;
	}
	if (!ours) {
		restore_left(r, "container", item->name, "it was removed meanwhile");
		item->given_up = true;
		return 0;
	}
	if (make_old(r, item, e) != 0) {
		if (e->code != ERR_NOT_FOUND && e->code != ERR_CONFLICT)
			return -1;
		restore_left(r, "container", item->name,
			"it is gone and could not be made again: %s", e->text);
		item->given_up = true;
		return 0;
	}
	restore_left(r, "container", item->name,
		"it is gone (%s) and was made again, with its volumes and an empty layer",
		auto_removes(item->present) ? "it was made with --rm" : "it was removed meanwhile");
	if (!was(item->present, "running") && !was(item->present, "paused"))
		return 0;
	return start_old(r, item, e);
}

/* Give the old container its name back: 1 if somebody else has that now, so that it stays aside. */
static int
name_again(struct restore *r, struct restore_container *item, struct err *e)
{
	if (item->aside == NULL)
		return 0;
	if (containers_rename(
		    r->request->engine, json_text(item->present, "Id", NULL), item->name, e) == 0)
		return 0;
	if (e->code != ERR_CONFLICT)
		return -1;
	restore_left(r, "container", item->name,
		"another one of that name was made meanwhile, which stays; the old one is kept as "
		"%s",
		item->aside);
	return 1;
}

/* A stop that has been asked for and is not waited for would end it after its start. */
static int
end_now(struct engine *g, const char *id, struct err *e)
{
	struct err ignored;

	(void)containers_kill(g, id, "KILL", &ignored);
	for (int look = 0; look < END_LOOKS; look++) {
		SCOPED(json_decref_at) json_t *now = NULL;

		if (containers_inspect(g, id, &now, e) != 0)
			return -1;
		if (!json_truth(now, "State", "Running"))
			return 0;
		(void)usleep(END_LOOK_US);
	}
	return err_set(e, ERR_TIMEOUT, "it does not end");
}

static int
revive_there(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	const int named = name_again(r, item, e);
	const char *id = json_text(item->present, "Id", NULL);

	if (named != 0)
		return named < 0 ? -1 : 0;
	if (item->policy_off &&
		containers_set_restart(g, id, container_restart_policy(item->present), e) != 0)
		return -1;
	if (!item->stopped)
		return 0;
	if (item->unsure && r->operation != NULL && operation_stopping(r->operation) &&
		end_now(g, id, e) != 0)
		return -1;
	if (start_old(r, item, e) != 0)
		return -1;
	return pause_again(r, item, e);
}

static int
revive(struct restore *r, struct restore_container *item, struct err *e)
{
	int status;

	if (item->untouched)
		return 0;
	status = item->lost ? revive_lost(r, item, e) : revive_there(r, item, e);
	if (status == 0 || e->code != ERR_NOT_FOUND)
		return status;

	SCOPED(json_decref_at) json_t *still = NULL;
	struct err of_look;

	if (containers_inspect(r->request->engine, json_text(item->present, "Id", NULL), &still,
		    &of_look) == 0) {
		restore_left(r, "container", item->name, "it does not start: %s", e->text);
		item->given_up = true;
		return 0;
	}
	if (of_look.code != ERR_NOT_FOUND)
		return -1;
	item->lost = true; /* just now */
	return revive_lost(r, item, e);
}

int
restore_containers_undo(struct restore *r)
{
	struct engine *g = r->request->engine;
	int status = 0;
	struct err e;
	size_t i;

	for (i = r->count; i-- > 0;)
		if (r->items[i].created && containers_remove(g, r->items[i].id, &e) != 0) {
			log_error("restore: new container %s stays: %s", r->items[i].name, e.text);
			restore_trouble(r, "container", r->items[i].name, &e);
			status = -1;
		}
	if (replaced_networks_undo(r, &e) != 0) {
		log_error("restore: a network is not as it was: %s", e.text);
		restore_trouble(r, "network", "", &e);
		status = -1;
	}
	for (i = 0; i < r->count; i++)
		if (r->items[i].present != NULL && !r->items[i].keeps &&
			revive(r, &r->items[i], &e) != 0) {
			log_error(
				"restore: container %s is not back: %s", r->items[i].name, e.text);
			restore_trouble(r, "container", r->items[i].name, &e);
			status = -1;
		}
	return status;
}

int64_t
restore_containers_unsure_ms(const struct restore *r)
{
	int64_t longest = -1;

	for (size_t i = 0; i < r->count; i++) {
		const json_t *seconds = json_object_get(
			json_object_get(r->items[i].present, "Config"), "StopTimeout");
		int64_t given =
			json_is_integer(seconds) ? json_integer_value(seconds) : STOP_SECONDS;

		if (!r->items[i].unsure)
			continue;
		if (given < 0 || given > STOP_SECONDS_MAX)
			given = STOP_SECONDS_MAX;
		if (given * 1000 > longest)
			longest = given * 1000;
	}
	return longest;
}

/* Whether it runs, if it did before; it is started if not, and paused again if its owner had. */
static int
keep_up(struct restore *r, struct restore_container *item, struct err *e)
{
	SCOPED(json_decref_at) json_t *now = NULL;

	if (item->present == NULL || item->keeps || item->given_up || item->foreign ||
		(!was(item->present, "running") && !was(item->present, "paused")))
		return 0;
	if (item->lost)
		return auto_removes(item->present) ? revive_lost(r, item, e) : 0;
	if (containers_inspect(r->request->engine, json_text(item->present, "Id", NULL), &now, e) !=
		0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		item->lost = true;
		return keep_up(r, item, e);
	}
	if (json_truth(now, "State", "Running") || json_truth(now, "State", "Restarting"))
		return 0;
	if (start_old(r, item, e) != 0)
		return -1;
	return pause_again(r, item, e);
}

int
restore_containers_watch(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++) {
		if (keep_up(r, &r->items[i], e) == 0)
			continue;
		if (e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT)
			return err_prefix(e, "container %s", r->items[i].name);
		restore_left(r, "container", r->items[i].name, "it does not stay up: %s", e->text);
		r->items[i].given_up = true;
	}
	return 0;
}
