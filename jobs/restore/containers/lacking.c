#include "jobs/restore/containers/lacking.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/recreate/recreate.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/references.h"
#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/sources/roots.h"

/* Whether the restore puts ${path}, or a folder that holds it, in its place. */
static bool
is_put_back(const struct restore *r, const char *path)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++) {
		const char *top = targets[i].path;
		const size_t len = top == NULL ? 0 : strlen(top);

		if (len > 0 && targets[i].volume == NULL && targets[i].container == NULL &&
			strncmp(path, top, len) == 0 && (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* Whether the host has ${path}; before anything is changed also if it will have it then. */
static int
host_has(struct restore *r, const char *path, bool *ret_has, struct err *e)
{
	SCOPED(free_at) char *run_path = mem_format("%s/run", store_path(r->request->store));
	SCOPED(roots_host_close)
	struct roots_host host = {r->request->engine, r->self, run_path, NULL};

	*ret_has = r->request->dry_run && is_put_back(r, path);
	if (*ret_has)
		return 0;
	if (restore_data_host_has(r->refill, path, ret_has, e) == 0)
		return 0;
	return roots_host_has(&host, path, ret_has, e);
}

static void
lose(json_t *lost, const char *what, const char *which)
{
	(void)json_array_append_new(
		lost, json_sprintf("%s %s: this host does not have it", what, which));
}

/* The path of the host that a container cannot be made without; "": it wants none. */
typedef const char *lacking_path(const json_t *item);

/* Take what wants a path that is not there, and is not put back, off the list ${field} of ${host}.
 */
static int
drop_lacking(struct restore *r, json_t *host, const char *field, const char *what,
	lacking_path *path_of, json_t *lost, struct err *e)
{
	json_t *items = json_object_get(host, field);
	SCOPED(json_decref_at) json_t *kept = json_array();
	json_t *item;
	size_t i;

	if (json_array_size(items) == 0)
		return 0;
	json_array_foreach (items, i, item) {
		const char *path = path_of(item);
		bool has = true;

		if (path[0] != '\0' && host_has(r, path, &has, e) != 0)
			return -1;
		if (has)
			(void)json_array_append(kept, item);
		else
			lose(lost, what, path);
	}
	return json_object_set(host, field, kept);
}

/* No container starts with a device that the host does not have.  What is no path is the engine's
 * to know. */
static const char *
device_path(const json_t *device)
{
	const char *path = json_text(device, "PathOnHost", NULL);

	return path[0] == '/' ? path : "";
}

/* The engine refuses a mount of a folder or file that is not there, unless it may make it. */
static const char *
mount_path(const json_t *mount)
{
	if (strcmp(json_text(mount, "Type", NULL), "bind") != 0 ||
		json_truth(mount, "BindOptions", "CreateMountpoint"))
		return "";
	return json_text(mount, "Source", NULL);
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
		if (host_has(r, path, &has, e) != 0)
			return -1;
		if (has)
			continue;
		lose(lost, "bind of", path);
		(void)json_array_remove(binds, i);
	}
	return 0;
}

int
lacking_drop(struct restore *r, json_t *body, json_t *lost, struct err *e)
{
	json_t *host = json_object_get(body, "HostConfig");

	if (drop_lacking(r, host, "Devices", "device", device_path, lost, e) != 0 ||
		drop_runtime(r, host, lost, e) != 0 ||
		drop_lacking(r, host, "Mounts", "mount of", mount_path, lost, e) != 0)
		return -1;
	return drop_sockets(r, host, lost, e);
}

void
lacking_tell(struct restore *r, struct restore_container *item, const json_t *lost, const char *was)
{
	const json_t *text;
	size_t i;

	json_array_foreach (lost, i, text) {
		restore_warn(r, "container %s %s made without its %s", item->name, was,
			json_string_value(text));
		item->lacks = true;
	}
}

static int
foresee_item(struct restore *r, struct restore_container *item, int api, struct err *e)
{
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(json_decref_at) json_t *connects = NULL;
	SCOPED(json_decref_at) json_t *lost = json_array();
	struct references refs = {.restore = r, .view = REFERENCES_RECORDED};
	struct traits traits;
	struct recreate_options options = {.api = api, .traits = &traits, .left_out = lost};

	if (traits_find(r->request->engine, &traits, e) != 0)
		return -1;
	references_use(&refs, &options);
	if (recreate_body(item->inspect, &options, &body, &connects, e) != 0 ||
		references_check(&refs, e) != 0 || lacking_drop(r, body, lost, e) != 0)
		return -1;
	lacking_tell(r, item, lost, "will be");
	return 0;
}

int
lacking_foresee(struct restore *r, struct err *e)
{
	const int api = engine_api(r->request->engine, e);

	if (api < 0)
		return -1;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].way != WAY_IN_PLACE && !r->items[i].bystander &&
			foresee_item(r, &r->items[i], api, e) != 0)
			return err_prefix(e, "container %s", r->items[i].name);
	return 0;
}
