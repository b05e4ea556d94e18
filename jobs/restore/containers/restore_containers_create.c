/* Making the containers of a restore that are not there, or are others. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "engine/networks.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/references.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/sources/roots.h"

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

static void
lose(json_t *lost, const char *what, const char *which)
{
	(void)json_array_append_new(
		lost, json_sprintf("%s %s: this host does not have it", what, which));
}

/* Devices that the host does not have: no container starts with one of them. */
static int
drop_devices(struct restore *r, json_t *host, json_t *lost, struct err *e)
{
	json_t *devices = json_object_get(host, "Devices");
	SCOPED(json_decref_at) json_t *kept = json_array();
	json_t *device;
	size_t i;

	if (json_array_size(devices) == 0)
		return 0;
	json_array_foreach (devices, i, device) {
		const char *path = json_text(device, "PathOnHost", NULL);
		bool has = true;

		if (path[0] == '/' &&
			roots_host_has(r->request->engine, r->self, path, &has, e) != 0)
			return -1;
		if (has)
			(void)json_array_append(kept, device);
		else
			lose(lost, "device", path);
	}
	return json_object_set(host, "Devices", kept);
}

/* A runtime that this engine does not know. */
static int
drop_runtime(struct restore *r, json_t *host, json_t *lost, struct err *e)
{
	SCOPED(free_at) char *runtime = mem_string(json_text(host, "Runtime", NULL));
	SCOPED(json_decref_at) json_t *info = NULL;
	const json_t *known;

	if (runtime[0] == '\0' || strcmp(runtime, "runc") == 0)
		return 0;
	if (engine_info(r->request->engine, &info, e) != 0)
		return -1;
	known = json_object_get(info, "Runtimes");
	if (!json_is_object(known) || json_object_get(known, runtime) != NULL)
		return 0;
	lose(lost, "runtime", runtime);
	return json_object_del(host, "Runtime");
}

/* A mount of a folder or file that is not there, and is not put back: the engine refuses it. */
static int
drop_mounts(struct restore *r, json_t *host, json_t *lost, struct err *e)
{
	json_t *mounts = json_object_get(host, "Mounts");
	SCOPED(json_decref_at) json_t *kept = json_array();
	json_t *mount;
	size_t i;

	if (json_array_size(mounts) == 0)
		return 0;
	json_array_foreach (mounts, i, mount) {
		const char *source = json_text(mount, "Source", NULL);
		bool has = true;

		if (strcmp(json_text(mount, "Type", NULL), "bind") == 0 &&
			!json_truth(mount, "BindOptions", "CreateMountpoint") &&
			roots_host_has(r->request->engine, r->self, source, &has, e) != 0)
			return -1;
		if (has)
			(void)json_array_append(kept, mount);
		else
			lose(lost, "mount of", source);
	}
	return json_object_set(host, "Mounts", kept);
}

/* True if the backup puts ${path} back, or it is of a kind that no folder can stand for. */
static bool
may_be_a_folder(const struct restore *r, const char *path)
{
	const json_t *source;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "sources"), i, source) {
		if (strcmp(json_text(source, "path", NULL), path) == 0)
			return true;
	}
	return strstr(strrchr(path, '/'), ".sock") == NULL;
}

/* A bind of a socket that is not there: no backup has it, and the engine would make a folder in its
 * place, which whoever listens there could not take. */
static int
drop_sockets(struct restore *r, json_t *host, json_t *lost, struct err *e)
{
	json_t *binds = json_object_get(host, "Binds");

	for (size_t i = json_array_size(binds); i-- > 0;) {
		const char *bind = json_string_value(json_array_get(binds, i));
		SCOPED(free_at)
		char *path = bind == NULL ? mem_string("") : mem_copy(bind, strcspn(bind, ":"));
		bool has = true;

		if (path[0] != '/' || may_be_a_folder(r, path))
			continue;
		if (roots_host_has(r->request->engine, r->self, path, &has, e) != 0)
			return -1;
		if (has)
			continue;
		lose(lost, "bind of", path);
		(void)json_array_remove(binds, i);
	}
	return 0;
}

/* What the container refers to and is not there is told, once each. */
static void
tell_lost(struct restore *r, struct restore_container *item, const json_t *lost)
{
	const json_t *text;
	size_t i;

	json_array_foreach (lost, i, text) {
		restore_warn(r, "container %s was made without its %s", item->name,
			json_string_value(text));
		item->lacks = true;
	}
}

static int
create_item(struct restore *r, struct restore_container *item, struct err *e)
{
	struct engine *g = r->request->engine;
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	SCOPED(json_decref_at) json_t *lost = json_array();
	struct references refs = {.restore = r, .view = REFERENCES_MADE};
	struct recreate_options options = {.same_version = r->same_version, .left_out = lost};
	json_t *host;

	options.api = engine_api(g, e);
	if (options.api < 0)
		return -1;
	options.image = restore_containers_image_name(r, item->inspect);
	references_use(&refs, &options);
	free(item->id);
	item->id = NULL;
	if (recreate_body(item->inspect, &options, &body, &connects, e) != 0 ||
		references_check(&refs, e) != 0)
		return -1;
	host = json_object_get(body, "HostConfig");
	if (drop_devices(r, host, lost, e) != 0 || drop_runtime(r, host, lost, e) != 0 ||
		drop_mounts(r, host, lost, e) != 0 || drop_sockets(r, host, lost, e) != 0)
		return -1;
	if (containers_create(g, item->name, body, &item->id, e) != 0)
		return -1;
	item->created = true;
	tell_lost(r, item, lost);
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
