/* The tmpfs mounts of containers, which a plan takes if it says so. */
#include <string.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/sources/inventory_internal.h"

/* ${path} without slashes at its end. */
static void
inventory_tmpfs_note(json_t *paths, const char *path)
{
	size_t len = strlen(path);
	SCOPED(free_at) char *plain = NULL;

	while (len > 1 && path[len - 1] == '/')
		len--;
	plain = mem_copy(path, len);
	if (plain[0] == '/' && len > 1)
		(void)json_object_set_new(paths, plain, json_true());
}

/* Where it has them: {path: true}, of --tmpfs and --mount alike. */
static json_t *
paths_of(const json_t *container)
{
	json_t *host = json_object_get(container, "HostConfig");
	json_t *paths = json_object(), *options;
	const json_t *mount;
	const char *path;
	size_t i;

	json_object_foreach (json_object_get(host, "Tmpfs"), path, options) {
		inventory_tmpfs_note(paths, path);
	}
	json_array_foreach (json_object_get(container, "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "tmpfs") == 0)
			inventory_tmpfs_note(paths, json_text(mount, "Destination", NULL));
	}
	json_array_foreach (json_object_get(host, "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "tmpfs") == 0)
			inventory_tmpfs_note(paths, json_text(mount, "Target", NULL));
	}
	return paths;
}

static int
pid_of(const json_t *container)
{
	return (int)json_integer_value(json_object_get(json_object_get(container, "State"), "Pid"));
}

static int
add_one(struct inventory *v, const json_t *container, const char *path, struct err *e)
{
	SCOPED(free_at) char *name = mem_format("%s:%s", container_name(container), path);
	SCOPED(free_at)
	char *prefix = mem_format("containers/%s/tmpfs%s", container_name(container), path);
	SCOPED(free_at) char *holder = mem_string(json_text(container, "Id", NULL));
	SCOPED(free_at) char *copy = mem_string(path);

	if (!names_safe_path(prefix))
		return omissions_add_name(v->omissions, "tmpfs", name, e);
	return inventory_add(v,
		&(struct plan_source){.kind = SOURCE_TMPFS,
			.name = name,
			.path = copy,
			.prefix = prefix,
			.holder = holder,
			.pid = pid_of(container)},
		e);
}

int
inventory_take_tmpfs(
	struct inventory *v, const struct plan *plan, const json_t *container, struct err *e)
{
	SCOPED(json_decref_at) json_t *paths = paths_of(container);
	const bool runs = pid_of(container) > 0; /* else there is none */
	const char *path;
	json_t *value;

	json_object_foreach (paths, path, value) {
		if (!plan->tmpfs)
			inventory_warn(v,
				"container %s: tmpfs mount at %s is not captured (\"tmpfs\": true "
				"in the plan takes it)",
				container_name(container), path);
		else if (runs && container_service(container) == NULL &&
			 add_one(v, container, path, e) != 0)
			return -1;
	}
	return 0;
}

/* The process that ${holder} has now; 0 if it has none, or is no part of the backup any more. */
static int
pid_now(const struct inventory *v, const char *holder)
{
	const json_t *container;
	size_t i;

	json_array_foreach (v->containers, i, container) {
		if (strcmp(json_text(container, "Id", NULL), holder) == 0)
			return pid_of(container);
	}
	return 0;
}

int
inventory_check_tmpfs(struct inventory *v, struct err *e)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct plan_source *s = &v->sources[i];

		if (s->kind != SOURCE_TMPFS || s->left_out || pid_now(v, s->holder) == s->pid)
			continue;
		(void)err_set(e, ERR_UNREADABLE,
			"its container was started again while the backup was made, and so has "
			"another one");
		if (omissions_add(v->omissions, "tmpfs", s->name, "take the backup again", e) != 0)
			return -1;
		inventory_leave_out(v, i);
	}
	return 0;
}
