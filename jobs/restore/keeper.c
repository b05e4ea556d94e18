#include "jobs/restore/keeper.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/operations/inspect.h"

static char *
keeper_name_of(const struct restore *r)
{
	return mem_format("fuel-backup-keep-%s", restore_id(r));
}

/* Add the volumes of ${item} to ${mounts}. */
static void
add_volumes(json_t *mounts, const struct restore_container *item)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(item->present, "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "volume") != 0)
			continue;
		(void)json_array_append_new(
			mounts, json_pack("{s:s, s:s, s:o, s:{s:b}}", "Type", "volume", "Source",
					json_text(mount, "Name", NULL), "Target",
					json_sprintf("/kept/%zu", json_array_size(mounts)),
					"VolumeOptions", "NoCopy", 1));
	}
}

int
keeper_hold(const struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *mounts = json_array();
	SCOPED(json_decref_at) json_t *body = NULL;
	SCOPED(free_at) char *name = keeper_name_of(r);
	SCOPED(free_at) char *id = NULL;
	const char *image = r->self->container ? r->self->image : "";

	for (size_t i = 0; i < r->count; i++) {
		const struct restore_container *item = &r->items[i];

		if (item->keeps || !json_truth(item->present, "HostConfig", "AutoRemove"))
			continue;
		add_volumes(mounts, item);
		if (image[0] == '\0')
			image = json_text(item->present, "Image", NULL);
	}
	if (json_array_size(mounts) == 0)
		return 0;
	body = json_pack("{s:s, s:[s], s:{s:s}, s:{s:s, s:O}}", "Image", image, "Cmd", "version",
		"Labels", "fuel-backup.exclude", "true", "HostConfig", "NetworkMode", "none",
		"Mounts", mounts);
	if (containers_create(r->request->engine, name, body, &id, e) == 0)
		return 0;
	return e->code == ERR_CONFLICT ? 0 : err_prefix(e, "volumes of --rm containers");
}

int
keeper_release(const struct restore *r, struct err *e)
{
	SCOPED(free_at) char *name = keeper_name_of(r);

	return containers_remove(r->request->engine, name, e);
}
