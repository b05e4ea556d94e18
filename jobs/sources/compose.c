#include "jobs/sources/compose.h"

#include <string.h>

#include "archive/tar/names.h"
#include "base/mem.h"
#include "base/scope.h"
#include "engine/images.h"
#include "jobs/operations/inspect.h"

#define PROJECT "com.docker.compose.project"

static const json_t *
labels_of(const json_t *inspect)
{
	return json_object_get(json_object_get(inspect, "Config"), "Labels");
}

/* A label that the container has of its own; "" if it has none, or has it of its image. */
static const char *
own_label(const json_t *inspect, const json_t *image, const char *key)
{
	const char *value = json_text(labels_of(inspect), key, NULL);

	if (image == NULL || strcmp(value, json_text(labels_of(image), key, NULL)) == 0)
		return "";
	return value;
}

bool
compose_is_below(const char *folder, const char *path)
{
	const size_t len = strlen(folder);

	return folder[0] == '/' && names_safe_path(folder + 1) && path[0] == '/' &&
	       names_safe_path(path + 1) && strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* The files that the label ${key} names. */
static int
compose_take_list(const json_t *inspect, const json_t *image, const char *key, compose_take *take,
	compose_take *refused, void *ctx, struct err *e)
{
	const char *project = json_text(labels_of(inspect), PROJECT, NULL);
	const char *folder = own_label(inspect, image, PROJECT ".working_dir");
	SCOPED(free_at) char *files = mem_string(own_label(inspect, image, key));
	char *rest = NULL;

	if (project[0] == '\0')
		return 0;
	for (char *file = strtok_r(files, ",", &rest); file != NULL;
		file = strtok_r(NULL, ",", &rest)) {
		compose_take *to = compose_is_below(folder, file) ? take : refused;

		if (to(ctx, file, e) != 0)
			return -1;
	}
	return 0;
}

int
compose_files(const json_t *inspect, const json_t *image, compose_take *take, compose_take *refused,
	void *ctx, struct err *e)
{
	static const char *const lists[] = {PROJECT ".config_files", PROJECT ".environment_file"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (compose_take_list(inspect, image, lists[i], take, refused, ctx, e) != 0)
			return -1;
	return 0;
}

struct adding {
	struct inventory *inventory;
	const char *container;
	const char *folder; /* of the project */
};

static int
compose_add_file(void *ctx, const char *path, struct err *e)
{
	const struct adding *a = ctx;
	struct inventory *v = a->inventory;

	/* The folder has files that no label names: looked for when the host can be looked at. */
	if (v->projects == NULL)
		v->projects = json_object();
	(void)json_object_set_new(v->projects, a->folder, json_true());
	return inventory_add_compose(v, path, e);
}

static int
refuse_file(void *ctx, const char *path, struct err *e)
{
	const struct adding *a = ctx;

	(void)e;
	inventory_warn(a->inventory,
		"container %s: the compose file %.200s does not lie below its project's folder: "
		"not captured",
		a->container, path);
	return 0;
}

int
compose_add(struct inventory *v, struct engine *g, const json_t *inspect, struct err *e)
{
	struct adding a = {v, container_name(inspect), NULL};
	SCOPED(json_decref_at) json_t *image = NULL;

	if (json_object_get(labels_of(inspect), PROJECT) == NULL)
		return 0;
	if (images_inspect(g, json_text(inspect, "Image", NULL), &image, e) != 0 &&
		e->code != ERR_NOT_FOUND)
		return -1;
	a.folder = own_label(inspect, image, PROJECT ".working_dir");
	return compose_files(inspect, image, compose_add_file, refuse_file, &a, e);
}
