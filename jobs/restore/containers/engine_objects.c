#include "jobs/restore/containers/restore_containers.h"
#include "jobs/restore/containers/services.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "jobs/restore/containers/image_ids.h"
#include "jobs/restore/data/restore_data.h"
#include "jobs/restore/data/target.h"
#include "jobs/restore/state/selection.h"
#include "jobs/sources/inventory.h"

/* The manifest's image that was recorded as ${id}, or NULL. */
static const json_t *
recorded_image(const struct restore *r, const char *id)
{
	const json_t *image;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		if (strcmp(json_text(image, "id", NULL), id) == 0)
			return image;
	}
	return NULL;
}

const char *
restore_containers_image_name(const struct restore *r, const json_t *inspect)
{
	const char *name = json_text(inspect, "Config", "Image");
	const char *id = json_text(inspect, "Image", NULL);
	const json_t *image = recorded_image(r, id);
	struct err e;

	if (image != NULL && image_ids_means(r->request->engine, image, name, &e) == 1)
		return name;
	return image_ids_here(r->image_ids, id);
}

struct engine_objects_loading {
	struct restore *restore;
	json_t *missing; /* {file: image of the manifest} */
};

static int
engine_objects_load_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	const struct engine_objects_loading *l = ctx;
	const struct source tar = reader_content(r);
	const json_t *image = json_object_get(l->missing, m->path);
	SCOPED(free_at) char *file = NULL; /* the name is gone once its member is read */

	if (json_object_size(l->missing) == 0)
		return 1;
	if (image == NULL)
		return 0;
	file = mem_string(m->path);
	if (image_ids_load(l->restore->request->engine, image, &tar, l->restore->image_ids, e) != 0)
		return err_prefix(e, "%s", file);
	return json_object_del(l->missing, file);
}

/* Names that nobody has here. */
static int
tag_image(struct restore *r, const json_t *image, struct err *e)
{
	const char *id = image_ids_here(r->image_ids, json_text(image, "id", NULL));
	const json_t *tag;
	size_t i;

	json_array_foreach (json_object_get(image, "tags"), i, tag) {
		SCOPED(json_decref_at) json_t *there = NULL;
		const char *name = json_string_value(tag);

		if (name == NULL || images_find(r->request->engine, name, &there, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND || images_tag(r->request->engine, id, name, e) != 0)
			return -1;
	}
	return 0;
}

/* An image that is loaded takes its names from whoever has them: until they are given back those
 * have another one, so that none is ever without a name, whatever happens. */
static char *
holding_name(const struct restore *r, const json_t *item, size_t i)
{
	return r->request->tags ? mem_string(json_text(item, "kept_as", NULL))
				: mem_format("fuel-backup-kept:%s-%zu", restore_id(r), i);
}

static int
hold_tags(struct restore *r, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach (r->differing, i, item) {
		SCOPED(free_at) char *name = holding_name(r, item, i);

		if (strcmp(json_text(item, "kind", NULL), "tag") == 0 &&
			images_tag(r->request->engine, json_text(item, "present", NULL), name, e) !=
				0)
			return err_prefix(e, "image %s", json_text(item, "name", NULL));
	}
	return 0;
}

/* Give each name to the image that is to have it (${key} of the item). */
static int
give_tags(struct restore *r, const char *key, bool release, struct err *e)
{
	struct engine *g = r->request->engine;
	const json_t *item;
	size_t i;

	json_array_foreach (r->differing, i, item) {
		SCOPED(free_at) char *held = holding_name(r, item, i);
		const char *name = json_text(item, "name", NULL);

		if (strcmp(json_text(item, "kind", NULL), "tag") != 0)
			continue;
		if (images_tag(g, image_ids_here(r->image_ids, json_text(item, key, NULL)), name,
			    e) != 0 ||
			(release && images_remove(g, held, e) != 0))
			return err_prefix(e, "image %s", name);
	}
	return 0;
}

static int
settle_tags(struct restore *r, struct err *e)
{
	r->tags_moved = r->request->tags;
	return r->request->tags ? give_tags(r, "recorded", false, e)
				: give_tags(r, "present", true, e);
}

void
restore_containers_undo_tags(struct restore *r)
{
	struct err e;

	if (r->tags_moved && give_tags(r, "present", true, &e) != 0)
		log_error("restore: names of images are not back: %s", e.text);
	r->tags_moved = false;
}

static int
engine_objects_images(struct restore *r, struct err *e)
{
	json_t *images = json_object_get(r->contents->manifest, "images"), *image;
	SCOPED(json_decref_at) json_t *missing = json_object();
	struct engine_objects_loading loading = {.restore = r, .missing = missing};
	size_t i;

	json_array_foreach (images, i, image) {
		const char *id = json_text(image, "id", NULL);

		if (selection_image(r->selection, id) && json_object_get(r->image_ids, id) == NULL)
			(void)json_object_set(missing, json_text(image, "file", NULL), image);
	}
	if (hold_tags(r, e) != 0)
		return -1;
	if (json_object_size(missing) > 0 &&
		contents_walk(r->request->store, r->request->backup, r->operation,
			engine_objects_load_member, &loading, e) != 0)
		return -1;
	if (json_object_size(missing) > 0)
		return err_set(e, ERR_CORRUPT, "an image is missing here and in the archive");
	if (settle_tags(r, e) != 0)
		return -1;
	json_array_foreach (images, i, image) {
		if (selection_image(r->selection, json_text(image, "id", NULL)) &&
			tag_image(r, image, e) != 0)
			return err_prefix(e, "image %s", json_text(image, "id", NULL));
	}
	return 0;
}

static int
engine_objects_networks(struct restore *r, struct err *e)
{
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_network(r->selection, name))
			continue;
		if (networks_find(r->request->engine, name, &present, e) == 0)
			continue;
		if (e->code == ERR_CONFLICT) {
			restore_warn(r, "network %s stays as it is: %s", name, e->text);
			continue;
		}
		if (e->code != ERR_NOT_FOUND ||
			networks_recreate(r->request->engine, recorded, e) != 0)
			return err_prefix(e, "network %s", name);
	}
	return 0;
}

/* Whether anything goes into the volume. */
static bool
needs_volume(const struct restore *r, const char *name)
{
	struct target *targets;
	const size_t count = restore_data_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++)
		if (targets[i].volume != NULL && strcmp(targets[i].volume, name) == 0)
			return true;
	return selection_volume(r->selection, name);
}

static int
engine_objects_volumes(struct restore *r, struct err *e)
{
	const json_t *recorded;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "volumes"), i, recorded) {
		const char *name = json_text(recorded, "Name", NULL);
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!needs_volume(r, name) ||
			volumes_inspect(r->request->engine, name, &present, e) == 0)
			continue;
		if (e->code != ERR_NOT_FOUND ||
			volumes_recreate(r->request->engine, recorded, e) != 0)
			return err_prefix(e, "volume %s", name);
	}
	return 0;
}

int
restore_containers_supply(struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *version = NULL;

	if (engine_version(r->request->engine, &version, e) != 0)
		return -1;
	r->same_version = strcmp(json_text(version, "Version", NULL),
				  json_text(r->contents->manifest, "engine", "version")) == 0;
	if (engine_objects_images(r, e) != 0 || engine_objects_networks(r, e) != 0)
		return -1;
	if (services_supply(r, e) != 0)
		return -1;
	return engine_objects_volumes(r, e);
}
