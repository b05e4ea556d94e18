#ifndef ENGINE_SWARM_H
#define ENGINE_SWARM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * A Swarm's objects, as its managers know them: services, secrets, configs, tasks.  What is
 * returned is the caller's.  Errors as engine_json.
 */
enum swarm_role {
	SWARM_NONE,   /* the engine is in no Swarm */
	SWARM_WORKER, /* in one, and cannot tell of its objects */
	SWARM_MANAGER
};

/* What the engine is, by ${info} of engine_info. */
enum swarm_role swarm_role(const json_t *info);

/* All of ${kind}: "services", "secrets" or "configs". */
int swarm_list(struct engine *g, const char *kind, json_t **ret_list, struct err *e);

/* The one whose name is exactly ${name}; ERR_NOT_FOUND. */
int swarm_find(
	struct engine *g, const char *kind, const char *name, json_t **ret_object, struct err *e);

/* Make one of ${spec} (borrowed). */
int swarm_create(struct engine *g, const char *kind, const json_t *spec, struct err *e);
int swarm_remove(struct engine *g, const char *kind, const char *id, struct err *e);

/* Give the service ${id} this ${spec} (borrowed), whatever it has now. */
int swarm_update(struct engine *g, const char *id, const json_t *spec, struct err *e);

/* The name of an object, by its Spec; "" if it has none.  Borrowed. */
const char *swarm_name(const json_t *object);

/**
 * swarm_tasks(g, service, ret_running, ret_wanted, ret_why, e):
 * How many tasks of ${service} run, and how many Swarm wants to run now, on all nodes;
 * ${ret_why} (NULL: not wanted): why one does not, the caller's, NULL if none says so.
 */
int swarm_tasks(struct engine *g, const char *service, size_t *ret_running, size_t *ret_wanted,
	char **ret_why, struct err *e);

#endif
