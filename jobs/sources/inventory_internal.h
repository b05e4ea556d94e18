#ifndef JOBS_SOURCES_INVENTORY_INTERNAL_H
#define JOBS_SOURCES_INVENTORY_INTERNAL_H

#include "engine/engine.h"
#include "jobs/sources/inventory.h"

/* What the files of an inventory share. */

/**
 * inventory_cannot(v, g, container, kind, name, advice, e):
 * ${container} has something that cannot be had, for the reason in ${e}.  As omissions_add; but if
 * the container is gone by itself that is no fault, and is forgotten at the end (some_gone).
 */
int inventory_cannot(struct inventory *v, struct engine *g, const json_t *container,
	const char *kind, const char *name, const char *advice, struct err *e);

/* Add ${source}, whose texts are copied, unless it is there. */
int inventory_add(struct inventory *v, const struct plan_source *source, struct err *e);

/* Add the layers of all its containers; of one whose layer cannot be had all the rest is captured.
 */
int inventory_take_layers(struct inventory *v, struct engine *g, const struct self *self,
	const char *store_path, struct err *e);

/* Add the tmpfs mounts of ${container}, where the plan wants them and it runs; else they are told.
 */
int inventory_take_tmpfs(
	struct inventory *v, const struct plan *plan, const json_t *container, struct err *e);

/* Add the volumes, binds and tmpfs mounts of ${container}, an inspect. */
int inventory_take_mounts(
	struct inventory *v, const struct plan *plan, const json_t *container, struct err *e);

/* On a manager of a Swarm: find the services that the plan takes.  Before the containers, for what
 * a service's tasks write to is copied while they stand still. */
int inventory_find_services(
	struct inventory *v, struct engine *g, const struct plan *plan, struct err *e);

/* Whether ${container}, an inspect, is a task of one of these. */
bool inventory_is_task(const struct inventory *v, const json_t *container);

/* Add these services, and what they name.  Where the engine is no manager tasks are told. */
int inventory_take_swarm(
	struct inventory *v, struct engine *g, const struct plan *plan, struct err *e);

/* Add the values of their secrets, as far as tasks that run here show them; else that is told. */
void inventory_take_secrets(
	struct inventory *v, struct engine *g, const struct self *self, const char *run_path);

/* Add the image of ${container}; -1 with the reason if it cannot be had. */
int inventory_take_image(
	struct inventory *v, struct engine *g, const json_t *container, struct err *e);

/* Add its networks, and what is known of the volumes that are sources.  One that cannot be had is
 * left out. */
int inventory_take_networks(
	struct inventory *v, struct engine *g, const json_t *container, struct err *e);
int inventory_take_volumes(struct inventory *v, struct engine *g, struct err *e);

#endif
