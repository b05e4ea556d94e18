#include "jobs/rehearsal/rehearsal_images.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/containers/image_ids.h"

/* The id of the image that has the name ${name}, or that id itself: a new text, or null. */
static int
meaning(struct engine *g, const char *name, json_t **ret_id, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const bool is_id = strncmp(name, "sha256:", 7) == 0;

	if ((is_id ? images_inspect(g, name, &inspect, e) : images_find(g, name, &inspect, e)) !=
		0) {
		*ret_id = json_null();
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	}
	*ret_id = json_string(json_text(inspect, "Id", NULL));
	return 0;
}

static int
names_of(struct engine *g, const json_t *image, json_t **ret_names, struct err *e)
{
	SCOPED(json_decref_at) json_t *names = json_object();
	const json_t *tag;
	json_t *id;
	size_t i;

	json_array_foreach (json_object_get(image, "tags"), i, tag) {
		if (!json_is_string(tag))
			continue;
		if (meaning(g, json_string_value(tag), &id, e) != 0)
			return -1;
		(void)json_object_set_new(names, json_string_value(tag), id);
	}
	*ret_names = TAKE(names);
	return 0;
}

int
rehearsal_images_missing(struct engine *g, const json_t *images, const json_t *ids, const char *id,
	json_t **ret_missing, struct err *e)
{
	SCOPED(json_decref_at) json_t *missing = json_array();
	json_t *image, *names;
	size_t i;

	json_array_foreach (images, i, image) {
		const char *image_id = json_text(image, "id", NULL);

		if (json_object_get(ids, image_id) != NULL)
			continue;
		if (names_of(g, image, &names, e) != 0)
			return -1;
		(void)json_array_append_new(
			missing, json_pack("{s:s, s:O, s:s, s:o, s:o}", "id", image_id, "image",
					 image, "file", json_text(image, "file", NULL), "guest",
					 json_sprintf("fuel-backup-rehearsal:%s-%zu", id, i),
					 "names", names));
	}
	*ret_missing = TAKE(missing);
	return 0;
}

/* What a note of an earlier version has of the image is its id alone. */
static const json_t *
rehearsal_images_image_of(const json_t *guest)
{
	const json_t *image = json_object_get(guest, "image");

	return image == NULL ? guest : image;
}

/* The image has a name of ours: the others go back to what they meant. */
static int
names_back(struct engine *g, const json_t *guest, struct err *e)
{
	const char *name;
	json_t *before;

	json_object_foreach (json_object_get(guest, "names"), name, before) {
		const int means = image_ids_means(g, rehearsal_images_image_of(guest), name, e);

		if (means < 0)
			return -1;
		if (means == 0)
			continue;
		if (json_is_string(before) ? images_tag(g, json_string_value(before), name, e) != 0
					   : images_remove(g, name, e) != 0)
			return err_prefix(e, "image name %s", name);
	}
	return 0;
}

static int
load(struct engine *g, const json_t *guest, const struct source *tar, json_t *ids, struct err *e)
{
	const char *id = json_text(guest, "id", NULL);

	if (image_ids_load(g, rehearsal_images_image_of(guest), tar, ids, e) != 0 ||
		images_tag(g, image_ids_here(ids, id), json_text(guest, "guest", NULL), e) != 0)
		return err_prefix(e, "image %s", json_text(guest, "file", NULL));
	return names_back(g, guest, e);
}

struct rehearsal_images_loading {
	struct engine *engine;
	json_t *ids;  /* image_ids.h */
	json_t *left; /* {file: guest} */
};

static int
rehearsal_images_load_member(void *ctx, const struct member *m, struct reader *r, struct err *e)
{
	const struct rehearsal_images_loading *l = ctx;
	const struct source tar = reader_content(r);
	const json_t *guest = json_object_get(l->left, m->path);

	if (json_object_size(l->left) == 0)
		return 1;
	if (guest == NULL)
		return 0;
	return load(l->engine, guest, &tar, l->ids, e) != 0 ? -1
							    : json_object_del(l->left, m->path);
}

int
rehearsal_images_load(const struct rehearsal_images_source *source, const json_t *missing,
	json_t *ids, struct err *e)
{
	SCOPED(json_decref_at) json_t *left = json_object();
	struct rehearsal_images_loading loading = {source->engine, ids, left};
	json_t *guest;
	size_t i;

	json_array_foreach (missing, i, guest) {
		(void)json_object_set(left, json_text(guest, "file", NULL), guest);
	}
	if (json_object_size(left) > 0 &&
		contents_walk(source->store, source->backup, source->operation,
			rehearsal_images_load_member, &loading, e) != 0)
		return -1;
	if (json_object_size(left) > 0)
		return err_set(e, ERR_CORRUPT, "an image is missing here and in the archive");
	return 0;
}

/* It may be that it was loaded and has not got our name yet. */
static int
remove_guest(struct engine *g, const json_t *guest, struct err *e)
{
	const char *name = json_text(guest, "guest", NULL);
	SCOPED(json_decref_at) json_t *images = json_pack("[O]", rehearsal_images_image_of(guest));
	SCOPED(json_decref_at) json_t *ids = NULL;
	const char *here;

	if (image_ids_find(g, images, &ids, e) != 0)
		return -1;
	here = json_text(ids, json_text(guest, "id", NULL), NULL);
	if (here[0] == '\0')
		return 0;
	if (images_tag(g, here, name, e) != 0 || names_back(g, guest, e) != 0)
		return -1;
	if (images_remove(g, name, e) == 0 || e->code == ERR_CONFLICT)
		return 0; /* somebody uses it: it is theirs */
	return -1;
}

int
rehearsal_images_remove(struct engine *g, const json_t *missing, struct err *e)
{
	const json_t *guest;
	struct err why;
	int status = 0;
	size_t i;

	json_array_foreach (missing, i, guest) {
		if (remove_guest(g, guest, &why) == 0)
			continue;
		*e = why;
		status = err_prefix(e, "image %s", json_text(guest, "id", NULL));
	}
	return status;
}
