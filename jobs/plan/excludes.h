#ifndef JOBS_PLAN_EXCLUDES_H
#define JOBS_PLAN_EXCLUDES_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"

/*
 * What is left out of every tree, of backups and of restores alike: what the plan excludes, this
 * service's store, and the engine's own data.
 */
struct excludes {
	char **patterns; /* for struct tree; NULL-terminated */
	char *store;	 /* the store, on the host */
	char *engine;	 /* the engine's data, on the host, or NULL */
};

/**
 * excludes_new(g, self, store_path, plan_exclude, ret_excludes, e):
 * ${store_path}: as this process sees it.  ${plan_exclude}: a plan's patterns.  ERR_CONFLICT if the
 * store is in the service's container itself, and so would end with it.
 */
int excludes_new(struct engine *g, const struct self *self, const char *store_path,
	const json_t *plan_exclude, struct excludes **ret_excludes, struct err *e);
void excludes_free(struct excludes *x);
void excludes_free_at(struct excludes **x);

#endif
