#include "jobs/sources/stranded.h"

#include <string.h>
#include <unistd.h>

#include "engine/volumes.h"
#include "jobs/operations/inspect.h"
#include "jobs/sources/inventory.h"

/* A container that is just being removed still has its volumes, for some milliseconds. */
enum { TRIES = 5, WAIT_US = 100 * 1000 };

bool
stranded_is_anonymous(const char *volume)
{
	return strlen(volume) == 64 && strspn(volume, "0123456789abcdef") == 64;
}

static json_t *
anonymous_of(const json_t *container)
{
	json_t *names = json_array();
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(container, "Mounts"), i, mount) {
		const char *name = json_text(mount, "Name", NULL);

		if (strcmp(json_text(mount, "Type", NULL), "volume") == 0 &&
			stranded_is_anonymous(name))
			(void)json_array_append_new(names, json_string(name));
	}
	return names;
}

json_t *
stranded_note(const json_t *containers)
{
	json_t *note = json_array();
	const json_t *container;
	size_t i;

	json_array_foreach (containers, i, container) {
		json_t *names = anonymous_of(container);

		if (json_array_size(names) > 0 && json_truth(container, "HostConfig", "AutoRemove"))
			(void)json_array_append_new(
				note, json_pack("{s:s, s:O}", "Id",
					      json_text(container, "Id", NULL), "volumes", names));
		json_decref(names);
	}
	return note;
}

/* The engine refuses one that is in use, also by another container. */
static void
stranded_remove_volume(struct engine *g, const char *name)
{
	struct err e;

	for (int i = 0; i < TRIES && volumes_remove(g, name, &e) != 0 && e.code == ERR_CONFLICT;
		i++)
		(void)usleep(WAIT_US);
}

void
stranded_remove(struct engine *g, const json_t *note)
{
	const json_t *container, *name;
	size_t i, k;

	json_array_foreach (note, i, container) {
		if (!inventory_is_gone(g, container))
			continue;
		json_array_foreach (json_object_get(container, "volumes"), k, name)
			stranded_remove_volume(g, json_string_value(name));
	}
}
