/* Making the containers of a restore that are not there, or are others. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/lacking.h"
#include "jobs/restore/containers/references.h"
#include "jobs/restore/containers/restore_containers.h"

enum { LOOK_US = 100 * 1000, LOOKS = 100 };

static int
wait_until_gone(struct engine *g, const char *id, struct err *e)
{
	for (int i = 0; i < LOOKS; i++) {
		SCOPED(json_decref_at) json_t *inspect = NULL;

		if (containers_inspect(g, id, &inspect, e) != 0)
			return e->code == ERR_NOT_FOUND ? 0 : -1;
		(void)usleep(LOOK_US);
	}
	return err_set(e, ERR_TIMEOUT, "container %.12s is not removed by its engine", id);
}

static int
restore_containers_create_set_aside(
	struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;

	if (item->stopped && json_truth(item->present, "HostConfig", "AutoRemove")) {
		restore_warn(r,
			"container %s was made with --rm: its engine removed it when it was "
			"stopped, and it is made again",
			item->name);
		return wait_until_gone(g, item->id, e);
	}
	item->aside = mem_format("%s.fuel-backup-%s", item->name, restore_id(r));
	if (containers_rename(g, item->id, item->aside, e) == 0)
		return 0;
	free(item->aside);
	item->aside = NULL;
	return -1;
}

/* Whether the engine has connected it to ${network} by itself. */
static int
is_connected(struct engine *g, const char *id, const char *network, bool *ret_is, struct err *e)
{
	SCOPED(json_decref_at) json_t *made = NULL;

	if (containers_inspect(g, id, &made, e) != 0)
		return -1;
	*ret_is = json_object_get(
			  json_object_get(json_object_get(made, "NetworkSettings"), "Networks"),
			  network) != NULL;
	return 0;
}

static int
connect_item(struct engine *g, const struct restore_container *item, const json_t *connects,
	struct err *e)
{
	const json_t *c;
	size_t i;

	json_array_foreach (connects, i, c) {
		const char *network = json_text(c, "network", NULL);
		const json_t *endpoint = json_object_get(c, "endpoint");
		bool connected = false;
		int status;

		if (endpoint != NULL)
			status = networks_connect(g, network, item->id, endpoint, e);
		else if ((status = is_connected(g, item->id, network, &connected, e)) == 0 &&
			 connected)
			status = networks_disconnect(g, network, item->id, e);
		if (status != 0)
			return err_prefix(e, "network %s", network);
	}
	return 0;
}

static int
create_item(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	SCOPED(json_decref_at) json_t *lost = json_array();
	struct references refs = {.restore = r, .view = REFERENCES_MADE};
	struct traits traits;
	struct recreate_options options = {
		.traits = &traits, .same_version = r->same_version, .left_out = lost};

	options.api = engine_api(g, e);
	if (options.api < 0 || traits_find(g, &traits, e) != 0)
		return -1;
	options.image = restore_containers_image_name(r, item->inspect);
	references_use(&refs, &options);
	free(item->id);
	item->id = NULL;
	if (recreate_body(item->inspect, &options, &body, &connects, e) != 0 ||
		references_check(&refs, e) != 0 || lacking_drop(r, body, lost, e) != 0)
		return -1;
	if (containers_create(g, item->name, body, &item->id, e) != 0)
		return -1;
	item->created = true;
	lacking_tell(r, item, lost, "was");
	return connect_item(g, item, connects, e);
}

int
restore_containers_create(struct restore *r, struct err *e)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (r->items[i].way == WAY_REPLACE &&
			restore_containers_create_set_aside(r, &r->items[i], e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	for (i = 0; i < r->count; i++)
		if (r->items[i].way != WAY_IN_PLACE && create_item(r, &r->items[i], e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	return 0;
}
