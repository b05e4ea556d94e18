/* Containers that end and are removed while they are looked at: no fault of anybody's. */
#include <string.h>

#include "base/scope.h"
#include "engine/containers.h"
#include "jobs/sources/inventory.h"
#include "jobs/sources/stranded.h"

bool
inventory_is_gone(struct engine *g, const json_t *container)
{
	SCOPED(json_decref_at) json_t *inspect = NULL;
	const char *state;
	struct err e;

	if (containers_inspect(g, json_text(container, "Id", NULL), &inspect, &e) != 0)
		return e.code == ERR_NOT_FOUND;
	state = json_text(inspect, "State", "Status");
	return strcmp(state, "removing") == 0 || strcmp(state, "dead") == 0;
}

static bool
mounts_volume(const json_t *container, const char *name)
{
	const json_t *mount;
	size_t i;

	json_array_foreach (json_object_get(container, "Mounts"), i, mount) {
		if (strcmp(json_text(mount, "Type", NULL), "volume") == 0 &&
			strcmp(json_text(mount, "Name", NULL), name) == 0)
			return true;
	}
	return false;
}

static bool
is_used(const struct inventory *v, const char *volume)
{
	const json_t *container;
	size_t i;

	json_array_foreach (v->containers, i, container) {
		if (mounts_volume(container, volume))
			return true;
	}
	return false;
}

/* Container ${i} is taken off the list, and left out are its layer and the volumes that it alone
 * has: ${all} of them, or those that go with it. */
static void
inventory_gone_take_off(struct inventory *v, size_t i, bool all)
{
	SCOPED(json_decref_at) json_t *container = json_incref(json_array_get(v->containers, i));

	(void)json_array_remove(v->containers, i);
	for (size_t k = 0; k < v->count; k++) {
		const struct plan_source *s = &v->sources[k];
		const bool own = (s->kind == SOURCE_LAYER &&
					 strcmp(s->name, container_name(container)) == 0) ||
				 (s->kind == SOURCE_TMPFS &&
					 strcmp(s->holder, json_text(container, "Id", NULL)) == 0);
		const bool volume = s->kind == SOURCE_VOLUME && mounts_volume(container, s->name);

		if (own ||
			(volume && (all || stranded_is_anonymous(s->name)) && !is_used(v, s->name)))
			inventory_leave_out(v, k);
	}
}

void
inventory_forget(struct inventory *v, size_t i)
{
	inventory_warn(v,
		"container %s ended and was removed while the backup was made: it is not in it",
		container_name(json_array_get(v->containers, i)));
	inventory_gone_take_off(v, i, false);
}

int
inventory_omit(struct inventory *v, size_t i, const char *advice, struct err *e)
{
	if (omissions_add(v->omissions, "container",
		    container_name(json_array_get(v->containers, i)), advice, e) != 0)
		return -1;
	inventory_gone_take_off(v, i, true);
	return 0;
}

static bool
is_listed(const json_t *list, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *state = json_text(item, "State", NULL);

		if (strcmp(json_text(item, "Id", NULL), id) == 0)
			return strcmp(state, "removing") != 0 && strcmp(state, "dead") != 0;
	}
	return false;
}

int
inventory_forget_gone(struct inventory *v, struct engine *g, struct err *e)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	int count = 0;

	if (containers_list(g, &list, e) != 0)
		return -1;
	for (size_t i = json_array_size(v->containers); i-- > 0;) {
		const json_t *container = json_array_get(v->containers, i);

		if (is_listed(list, json_text(container, "Id", NULL)))
			continue;
		inventory_forget(v, i);
		count++;
	}
	return count;
}
