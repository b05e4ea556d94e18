/* The engine's objects of an inventory: images, networks, volumes. */
#include <string.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "engine/layers/image_identity.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "jobs/sources/inventory_internal.h"

/* ${container} has something that cannot be had; if it is gone by itself, that is no fault. */
int
inventory_cannot(struct inventory *v, struct engine *g, const json_t *container, const char *kind,
	const char *name, const char *advice, struct err *e)
{
	if (e->code != ERR_UNREACHABLE && e->code != ERR_CANCELLED &&
		inventory_is_gone(g, container)) {
		v->some_gone = true;
		return 0;
	}
	return omissions_add(v->omissions, kind, name, advice, e);
}

static bool
inventory_objects_has(const json_t *array, const char *key, const char *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		if (strcmp(json_text(item, key, NULL), value) == 0)
			return true;
	}
	return false;
}

int
inventory_take_image(struct inventory *v, struct engine *g, const json_t *container, struct err *e)
{
	const char *id = json_text(container, "Image", NULL);
	const char *bare = strncmp(id, "sha256:", 7) == 0 ? id + 7 : id;
	SCOPED(json_decref_at) json_t *inspect = NULL;
	SCOPED(free_at) char *file = mem_format("images/%s.tar", bare);
	json_t *tags, *image;

	if (inventory_objects_has(v->images, "id", id))
		return 0;
	if (images_inspect(g, id, &inspect, e) != 0)
		return err_prefix(e, "image of container %s", container_name(container));
	tags = json_object_get(inspect, "RepoTags");
	image = json_pack("{s:s, s:o, s:s, s:I}", "id", id, "tags",
		json_is_array(tags) ? json_incref(tags) : json_array(), "file", file, "size_bytes",
		json_integer_value(json_object_get(inspect, "Size")));
	image_identity_add(g, inspect, image);
	return json_array_append_new(v->images, image);
}

/* Whether the network of that name among ${networks} has another id. */
static bool
is_another(const json_t *networks, const char *name, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach (networks, i, item) {
		if (strcmp(json_text(item, "Name", NULL), name) == 0)
			/* Podman tells the name where the id should be. */
			return id[0] != '\0' && strcmp(id, name) != 0 &&
			       strcmp(json_text(item, "Id", NULL), id) != 0;
	}
	return false;
}

/* By its id, since several may have one name; one that never ran has none yet. */
static int
find_network(
	struct engine *g, const char *name, const char *id, json_t **ret_inspect, struct err *e)
{
	if (id[0] != '\0' && networks_inspect(g, id, ret_inspect, e) == 0)
		return 0;
	return networks_find(g, name, ret_inspect, e);
}

int
inventory_take_networks(
	struct inventory *v, struct engine *g, const json_t *container, struct err *e)
{
	json_t *networks =
		json_object_get(json_object_get(container, "NetworkSettings"), "Networks");
	const char *name;
	json_t *endpoint;

	json_object_foreach (networks, name, endpoint) {
		json_t *inspect = NULL;

		if (networks_predefined(name) || inventory_objects_has(v->networks, "Name", name)) {
			if (is_another(v->networks, name, json_text(endpoint, "NetworkID", NULL)) &&
				err_set(e, ERR_CONFLICT,
					"there are several networks of this name, and a backup "
					"holds one") != 0 &&
				omissions_add(v->omissions, "network", name,
					"remove or rename all but one", e) != 0)
				return -1;
			continue;
		}
		SCOPED(free_at) char *member = mem_format("networks/%s.json", name);

		if (!names_safe_part(member)) {
			if (omissions_add_name(v->omissions, "network", name, e) != 0)
				return -1;
			continue;
		}
		if (find_network(g, name, json_text(endpoint, "NetworkID", NULL), &inspect, e) !=
			0) {
			if (e->code != ERR_NOT_FOUND &&
				inventory_cannot(v, g, container, "network", name, NULL, e) != 0)
				return -1;
			if (e->code == ERR_NOT_FOUND)
				inventory_warn(v, "network %s of container %s is gone", name,
					container_name(container));
			continue;
		}
		if (json_truth(inspect, "Ingress", NULL)) { /* Swarm has its own everywhere */
			json_decref(inspect);
			continue;
		}
		(void)json_object_del(inspect, "Containers"); /* changes all the time */
		(void)json_array_append_new(v->networks, inspect);
	}
	return 0;
}

/* A volume that is gone with its container is no fault. */
static int
volume_cannot(struct inventory *v, struct engine *g, const char *name, struct err *e)
{
	const json_t *container, *mount;
	size_t i, k;

	json_array_foreach (v->containers, i, container) {
		json_array_foreach (json_object_get(container, "Mounts"), k, mount) {
			if (strcmp(json_text(mount, "Name", NULL), name) == 0)
				return inventory_cannot(v, g, container, "volume", name,
					"see that its driver runs, or exclude it", e);
		}
	}
	return omissions_add(v->omissions, "volume", name, NULL, e);
}

int
inventory_take_volumes(struct inventory *v, struct engine *g, struct err *e)
{
	for (size_t i = 0; i < v->count; i++) {
		json_t *inspect = NULL;

		if (v->sources[i].kind != SOURCE_VOLUME)
			continue;
		if (volumes_inspect(g, v->sources[i].name, &inspect, e) != 0) {
			inventory_leave_out(v, i);
			if (volume_cannot(v, g, v->sources[i].name, e) != 0)
				return -1;
			continue;
		}
		(void)json_object_del(inspect, "Status");
		(void)json_object_del(inspect, "UsageData");
		(void)json_array_append_new(v->volumes, inspect);
	}
	return 0;
}
