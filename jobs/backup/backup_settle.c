/* Containers that do not stand still with the others. */
#include <string.h>

#include "base/scope.h"
#include "jobs/backup/backup_internal.h"

/* One that could not be frozen is left out alone; but one that is gone is forgotten, and one that
 * keeps restarting is what it is. */
static int
settle_fault(struct backup *c, const json_t *fault, struct err *e)
{
	struct inventory *v = c->staging.inventory;
	const json_t *container;
	size_t i;

	json_array_foreach (v->containers, i, container) {
		if (!json_equal(json_object_get(container, "Id"), json_object_get(fault, "id")))
			continue;
		if (inventory_is_gone(c->request->engine, container)) {
			inventory_forget(v, i);
			return 0;
		}
		if (json_integer_value(json_object_get(container, "RestartCount")) > 0) {
			inventory_warn(v, "container %s keeps restarting: it was not held still",
				container_name(container));
			return 0;
		}
		(void)err_set(e, ERR_ENGINE, "%s", json_text(fault, "error", NULL));
		return inventory_omit(v, i, "see why it cannot be paused, or stop it before", e);
	}
	return 0;
}

int
backup_settle_faults(struct backup *c, struct err *e)
{
	SCOPED(json_decref_at) json_t *faults = freeze_faults(c->freeze);
	const json_t *fault;
	size_t i;

	json_array_foreach (faults, i, fault) {
		if (settle_fault(c, fault, e) != 0)
			return -1;
	}
	return 0;
}

/* Those that somebody keeps from standing still are left out, or forgotten if they are gone. */
int
backup_settle_disturbed(struct backup *c, struct err *e)
{
	struct inventory *v = c->staging.inventory;
	const json_t *ids = engine_watch_disturbed(c->watch), *id;
	const struct err why = *e;
	size_t k;

	if (json_array_size(ids) == 0)
		return -1;
	json_array_foreach (ids, k, id) {
		for (size_t i = json_array_size(v->containers); i-- > 0;) {
			const json_t *container = json_array_get(v->containers, i);

			if (!json_equal(json_object_get(container, "Id"), id))
				continue;
			*e = why;
			if (inventory_is_gone(c->request->engine, container))
				inventory_forget(v, i);
			else if (inventory_omit(v, i, "back it up when nobody starts and stops it",
					 e) != 0)
				return -1;
		}
	}
	return 0;
}
