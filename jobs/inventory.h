#ifndef JOBS_INVENTORY_H
#define JOBS_INVENTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "archive/segments.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"
#include "jobs/excludes.h"
#include "jobs/inspect.h"
#include "jobs/omissions.h"
#include "jobs/plan.h"

/*
 * What a plan means on this host now: containers, images, networks, volumes, and the sources,
 * which are the trees to copy.
 */
enum source_kind { SOURCE_LAYER, SOURCE_VOLUME, SOURCE_BIND, SOURCE_HOST };

struct plan_source {
	enum source_kind kind;
	char *name;	      /* of the container or volume; the path for binds and host paths */
	char *path;	      /* on the host */
	char *prefix;	      /* archive path of its root */
	bool optional;	      /* left out where the host does not have it */
	bool compose;	      /* a file of a compose project, which the plan does not name */
	json_t *place;	      /* where its path led when it was lent (hostpath.h), or NULL */
	struct tree_id *left; /* what is left out of it, whatever it is called */
	size_t left_count;
};

struct inventory {
	json_t *containers;	     /* inspects, sorted by name */
	json_t *images;		     /* {"id", "tags", "file", "size_bytes"} */
	json_t *networks;	     /* inspects */
	json_t *volumes;	     /* inspects */
	json_t *warnings;	     /* texts */
	struct omissions *omissions; /* what is left out, with its reason */
	struct plan_source *sources; /* layers, volumes, binds, host paths; each sorted */
	size_t count;
	struct excludes *excludes;
};

/**
 * inventory_take(g, self, plan, store_path, ret_inventory, e):
 * ${store_path}: the store, as this process sees it; never taken itself, nor are this container and
 * lenders.
 */
int inventory_take(struct engine *g, const struct self *self, const struct plan *plan,
	const char *store_path, struct inventory **ret_inventory, struct err *e);
void inventory_free(struct inventory *v);
void inventory_free_at(struct inventory **v);

/* Add a bind or a host path; then all are in order again after inventory_sort. */
int inventory_add_path(struct inventory *v, enum source_kind kind, const char *path, struct err *e);
void inventory_sort(struct inventory *v);

/* Take source ${i} off the list, with a warning that gives ${reason} (NULL: without one). */
void inventory_drop(struct inventory *v, size_t i, const char *reason);
void inventory_warn(struct inventory *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Add a file of a compose project, unless the plan names it. */
int inventory_add_compose(struct inventory *v, const char *path, struct err *e);

const char *source_kind_name(enum source_kind kind); /* "layer", "volume", "bind", "host" */

#endif
