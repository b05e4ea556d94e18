#include "jobs/stack.h"

#include <string.h>

#include "base/scope.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "jobs/inventory.h"
#include "jobs/refill.h"
#include "jobs/selection.h"
#include "jobs/target.h"

/* 1 if the engine has image ${name} and it is ${id} (NULL: any), 0 if not, -1. */
static int
has_image(struct engine *g, const char *name, const char *id, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (images_inspect(g, name, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	return id == NULL || strcmp(json_text(inspect, "Id", NULL), id) == 0;
}

const char *
stack_image_name(const struct restore *r, const json_t *inspect)
{
	const char *name = json_text(inspect, "Config", "Image");
	const char *id = json_text(inspect, "Image", NULL);
	struct err e;

	return has_image(r->request->engine, name, id, &e) == 1 ? name : id;
}

struct loading {
	struct restore *restore;
	json_t *missing; /* {file: true} */
};

static int
load_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	const struct loading *l = ctx;
	const struct source tar = reader_content(r);

	if (json_object_size(l->missing) == 0)
		return 1;
	if (json_object_get(l->missing, m->path) == NULL)
		return 0;
	if (images_load(l->restore->request->engine, &tar, e) != 0)
		return err_prefix(e, "%s", m->path);
	return json_object_del(l->missing, m->path);
}

static int
tag_image(struct restore *r, const json_t *image, struct err *e)
{
	const char *id = json_text(image, "id", NULL);
	const json_t *tag;
	size_t i;

	json_array_foreach (json_object_get(image, "tags"), i, tag) {
		const char *name = json_string_value(tag);
		const int there = has_image(r->request->engine, name, id, e);

		if (there < 0 || (there == 0 && images_tag(r->request->engine, id, name, e) != 0))
			return -1;
	}
	return 0;
}

static int
supply_images(struct restore *r, struct err *e)
{
	const json_t *images = json_object_get(r->contents->manifest, "images");
	SCOPED(json_decref_at) json_t *missing = json_object();
	struct loading loading = {.restore = r, .missing = missing};
	const json_t *image;
	size_t i;

	json_array_foreach (images, i, image) {
		const char *id = json_text(image, "id", NULL);
		const int there = selection_image(r->selection, id)
					  ? has_image(r->request->engine, id, NULL, e)
					  : 1;

		if (there < 0)
			return -1;
		if (there == 0)
			(void)json_object_set_new(
				missing, json_text(image, "file", NULL), json_true());
	}
	if (json_object_size(missing) > 0 && contents_walk(r->request->store, r->request->backup,
						     r->operation, load_member, &loading, e) != 0)
		return -1;
	if (json_object_size(missing) > 0)
		return err_set(e, ERR_CORRUPT, "an image is missing here and in the archive");
	json_array_foreach (images, i, image) {
		if (selection_image(r->selection, json_text(image, "id", NULL)) &&
			tag_image(r, image, e) != 0)
			return err_prefix(e, "image %s", json_text(image, "id", NULL));
	}
	return 0;
}

static int
supply_networks(struct restore *r, struct err *e)
{
	const char *name;
	json_t *recorded;

	json_object_foreach (r->contents->networks, name, recorded) {
		SCOPED(json_decref_at) json_t *present = NULL;

		if (!selection_network(r->selection, name))
			continue;
		if (networks_find(r->request->engine, name, &present, e) == 0) {
			if (!json_equal(json_object_get(present, "IPAM"),
				    json_object_get(recorded, "IPAM")))
				restore_warn(r,
					"network %s is there with other addresses; it stays", name);
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
	const size_t count = refill_targets(r->refill, &targets);

	for (size_t i = 0; i < count; i++)
		if (targets[i].volume != NULL && strcmp(targets[i].volume, name) == 0)
			return true;
	return selection_volume(r->selection, name);
}

static int
supply_volumes(struct restore *r, struct err *e)
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
stack_supply(struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *version = NULL;

	if (engine_version(r->request->engine, &version, e) != 0)
		return -1;
	r->same_version = strcmp(json_text(version, "Version", NULL),
				  json_text(r->contents->manifest, "engine", "version")) == 0;
	if (supply_images(r, e) != 0 || supply_networks(r, e) != 0)
		return -1;
	return supply_volumes(r, e);
}
