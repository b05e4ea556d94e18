/* What a partial backup cannot bring back, because it has no image for it. */
#include <string.h>

#include "base/scope.h"
#include "engine/containers.h"
#include "engine/images.h"
#include "jobs/operations/inspect.h"
#include "jobs/restore/restore.h"

static bool
is_in_backup(const struct restore *r, const char *id)
{
	const json_t *image;
	size_t i;

	json_array_foreach (json_object_get(r->contents->manifest, "images"), i, image) {
		if (strcmp(json_text(image, "id", NULL), id) == 0)
			return true;
	}
	return false;
}

/* Whether the container can be had: its image is here, or it is here itself, as it was.  1, 0, -1.
 */
static int
can_be_had(const struct restore *r, const char *name, const json_t *inspect, struct err *e)
{
	struct engine *g = r->request->engine;
	const char *id = json_text(inspect, "Image", NULL);
	SCOPED(json_decref_at) json_t *image = NULL;
	SCOPED(json_decref_at) json_t *present = NULL;

	if (is_in_backup(r, id) || images_inspect(g, id, &image, e) == 0)
		return 1;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	if (containers_find(g, name, &present, e) != 0)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	return strcmp(json_text(present, "Image", NULL), id) == 0;
}

/* Take what is named ${name}, of that kind (NULL: any), off one of the manifest's lists. */
static void
restore_missing_take_off(json_t *list, const char *kind, const char *name)
{
	for (size_t i = json_array_size(list); i-- > 0;) {
		const json_t *item = json_array_get(list, i);

		if (strcmp(json_text(item, "name", NULL), name) == 0 &&
			(kind == NULL || strcmp(json_text(item, "kind", NULL), kind) == 0))
			(void)json_array_remove(list, i);
	}
}

static void
restore_missing_leave(struct restore *r, const char *name)
{
	json_t *manifest = r->contents->manifest;

	restore_warn(r,
		"container %s is left as it is: the backup leaves out its image, and the engine "
		"does not have it (pull or build it, then restore again)",
		name);
	restore_missing_take_off(json_object_get(manifest, "containers"), NULL, name);
	restore_missing_take_off(json_object_get(manifest, "sources"), "layer", name);
	(void)json_object_del(r->contents->inspects, name);
}

void
restore_leave_tasks(struct restore *r)
{
	SCOPED(json_decref_at) json_t *inspects = json_copy(r->contents->inspects);
	json_t *manifest = r->contents->manifest;
	const char *name;
	json_t *inspect;

	json_object_foreach (inspects, name, inspect) {
		const char *service = container_service(inspect);

		if (service == NULL)
			continue;
		restore_warn(r,
			"container %s is a task of the Swarm service %s, which Swarm makes: it is "
			"left "
			"as it is",
			name, service);
		restore_missing_take_off(json_object_get(manifest, "containers"), NULL, name);
		restore_missing_take_off(json_object_get(manifest, "sources"), "layer", name);
		(void)json_object_del(r->contents->inspects, name);
	}
}

int
restore_leave_imageless(struct restore *r, struct err *e)
{
	SCOPED(json_decref_at) json_t *inspects = json_copy(r->contents->inspects);
	const char *name;
	json_t *inspect;

	json_object_foreach (inspects, name, inspect) {
		const int can = can_be_had(r, name, inspect, e);

		if (can < 0)
			return -1;
		if (can == 0)
			restore_missing_leave(r, name);
	}
	return 0;
}
