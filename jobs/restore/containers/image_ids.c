#include "jobs/restore/containers/image_ids.h"

#include <string.h>

#include "base/scope.h"
#include "engine/images.h"
#include "engine/layers/image_identity.h"
#include "jobs/operations/inspect.h"

/* What the engine has, inspected when it is first needed. */
struct image_ids_present {
	struct engine *engine;
	json_t *inspects; /* NULL: not asked for yet */
};

/* The id of what ${name} means, if that is ${image}: 1, 0, -1. */
static int
image_ids_look_at(
	struct engine *g, const json_t *image, const char *name, json_t **ret_id, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;

	if (name[0] == '\0')
		return 0;
	if (images_inspect(g, name, &inspect, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	if (!image_identity_equal(image, inspect))
		return 0;
	*ret_id = json_incref(json_object_get(inspect, "Id"));
	return 1;
}

static int
inspect_all(struct image_ids_present *p, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (p->inspects != NULL)
		return 0;
	if (images_list(p->engine, &list, e) != 0)
		return -1;
	p->inspects = json_array();
	json_array_foreach (list, i, item) {
		json_t *inspect = NULL;

		if (images_inspect(p->engine, json_text(item, "Id", NULL), &inspect, e) == 0)
			(void)json_array_append_new(p->inspects, inspect);
		else if (e->code != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

static int
look_everywhere(struct image_ids_present *p, const json_t *image, json_t **ret_id, struct err *e)
{
	const json_t *inspect;
	size_t i;

	/* An older backup tells nothing that could be compared. */
	if (json_array_size(json_object_get(image, "layers")) == 0)
		return 0;
	if (inspect_all(p, e) != 0)
		return -1;
	json_array_foreach (p->inspects, i, inspect) {
		if (!image_identity_equal(image, inspect))
			continue;
		*ret_id = json_incref(json_object_get(inspect, "Id"));
		return 1;
	}
	return 0;
}

static int
find(struct image_ids_present *p, const json_t *image, json_t *ids, struct err *e)
{
	const char *id = json_text(image, "id", NULL);
	json_t *here = NULL;
	int found = image_ids_look_at(p->engine, image, id, &here, e);

	if (found == 0)
		found = image_ids_look_at(
			p->engine, image, json_text(image, "config_digest", NULL), &here, e);
	if (found == 0)
		found = look_everywhere(p, image, &here, e);
	if (found > 0)
		(void)json_object_set_new(ids, id, here);
	return found < 0 ? -1 : 0;
}

int
image_ids_find(struct engine *g, const json_t *images, json_t **ret_ids, struct err *e)
{
	SCOPED(json_decref_at) json_t *ids = json_object();
	struct image_ids_present present = {.engine = g};
	const json_t *image;
	int status = 0;
	size_t i;

	json_array_foreach (images, i, image) {
		if (status == 0)
			status = find(&present, image, ids, e);
	}
	json_decref(present.inspects);
	if (status != 0)
		return -1;
	*ret_ids = TAKE(ids);
	return 0;
}

const char *
image_ids_here(const json_t *ids, const char *id)
{
	const char *here = json_string_value(json_object_get(ids, id));

	return here == NULL ? id : here;
}

/* Of an older backup the layers are not recorded: what came out of its tar is it. */
static int
take_loaded(
	struct engine *g, const json_t *image, const json_t *loaded, json_t **ret_id, struct err *e)
{
	const bool told = json_array_size(json_object_get(image, "layers")) > 0;
	const json_t *name;
	size_t i;

	json_array_foreach (loaded, i, name) {
		SCOPED(json_decref_at) json_t *inspect = NULL;

		if (images_inspect(g, json_string_value(name), &inspect, e) != 0) {
			if (e->code == ERR_NOT_FOUND)
				continue;
			return -1;
		}
		if (told && !image_identity_equal(image, inspect))
			continue;
		*ret_id = json_incref(json_object_get(inspect, "Id"));
		return 1;
	}
	return 0;
}

int
image_ids_load(
	struct engine *g, const json_t *image, const struct source *tar, json_t *ids, struct err *e)
{
	const char *id = json_text(image, "id", NULL);
	SCOPED(json_decref_at) json_t *loaded = NULL;
	json_t *here = NULL;
	int found;

	if (images_load(g, tar, &loaded, e) != 0)
		return -1;
	found = image_ids_look_at(g, image, id, &here, e);
	if (found == 0)
		found = image_ids_look_at(
			g, image, json_text(image, "config_digest", NULL), &here, e);
	if (found == 0)
		found = take_loaded(g, image, loaded, &here, e);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_CORRUPT,
			"the engine loaded %s, and that is not the image of the backup",
			json_array_size(loaded) == 0
				? "nothing"
				: json_string_value(json_array_get(loaded, 0)));
	return json_object_set_new(ids, id, here);
}

int
image_ids_means(struct engine *g, const json_t *image, const char *name, struct err *e)
{
	json_t *id = NULL;
	const int found = image_ids_look_at(g, image, name, &id, e);

	json_decref(id);
	return found;
}
