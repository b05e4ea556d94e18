#ifndef JOBS_SOURCES_INVENTORY_H
#define JOBS_SOURCES_INVENTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "archive/write/segments.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/layers/layers.h"
#include "engine/self.h"
#include "jobs/operations/inspect.h"
#include "jobs/plan/excludes.h"
#include "jobs/plan/omissions.h"
#include "jobs/plan/plan.h"

/*
 * What a plan means on this host now: containers, images, networks, volumes, and the sources,
 * which are the trees to copy.
 */
enum source_kind { SOURCE_LAYER, SOURCE_TMPFS, SOURCE_VOLUME, SOURCE_BIND, SOURCE_HOST };

struct plan_source {
	enum source_kind kind;
	char *name;	      /* of the container or volume; the path for binds and host paths; of a
			       * tmpfs "CONTAINER:PATH" */
	char *path;	      /* on the host; of a tmpfs in its container, */
	char *holder;	      /* whose id this is, and */
	int pid;	      /* whose process */
	char *prefix;	      /* archive path of its root */
	bool optional;	      /* left out where the host does not have it */
	bool left_out;	      /* nothing of it is walked, nor stands in the backup */
	bool compose;	      /* a file of a compose project, which the plan does not name */
	bool trusted;	      /* its attributes trusted.* are in the backup (hidden.h) */
	json_t *place;	      /* where its path led when it was lent (hostpath.h), or NULL */
	struct tree_id *left; /* what is left out of it, whatever it is called */
	size_t left_count;
	enum layer_form form; /* of a layer, */
	char *base, *born;    /* and of a whole tree where it began (layers.h); or NULL */
	size_t base_number, born_number; /* of these with the lender, once they are lent */
	struct layer_copy *copy; /* of a layer that nobody knows: through the engine; or NULL */
};

struct inventory {
	json_t *containers; /* inspects, sorted by name */
	json_t *images;	    /* {"id", "tags", "file", "size_bytes"} */
	json_t *networks;   /* inspects */
	json_t *volumes;    /* inspects */
	json_t *warnings;   /* texts */
	json_t *swarm;	    /* {"services", "secrets", "configs"} (docs/swarm.md); NULL: none */
	json_t *services;   /* of the engine, which the plan takes; NULL: it is no manager */
	json_t *projects;   /* {folder: true}, of compose projects (compose_found.h) */
	struct omissions *omissions; /* what is left out, with its reason */
	bool some_gone;		     /* a container was met that is no more */
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

/* The root of ${s}, which lender ${l} has lent as ${number}, or that of its copy; borrowed. */
struct lender;
int inventory_root(const struct lender *l, const struct plan_source *s, size_t number);

/* Add a bind or a host path; then all are in order again after inventory_sort. */
int inventory_add_path(struct inventory *v, enum source_kind kind, const char *path, struct err *e);
void inventory_sort(struct inventory *v);

/* Take source ${i} off the list, with a warning that gives ${reason} (NULL: without one). */
void inventory_drop(struct inventory *v, size_t i, const char *reason);

/* Source ${i} stays on the list, but is left out. */
void inventory_leave_out(struct inventory *v, size_t i);

/**
 * inventory_forget(v, i):
 * Container ${i} ended and was removed meanwhile, which is no fault: a warning tells it, and its
 * layer and its anonymous volumes are left out.
 */
void inventory_forget(struct inventory *v, size_t i);

/**
 * inventory_omit(v, i, advice, e):
 * Leave container ${i} out for the reason in ${e}, with its layer and the volumes that it alone
 * has. As omissions_add.
 */
int inventory_omit(struct inventory *v, size_t i, const char *advice, struct err *e);

/* inventory_forget of all that the engine does not list any more, or is just removing.  How many;
 * -1. */
int inventory_forget_gone(struct inventory *v, struct engine *g, struct err *e);

/* Whether ${container}, an inspect, is gone or is just being removed. */
bool inventory_is_gone(struct engine *g, const json_t *container);

/* Leave the tmpfs mounts out of containers that were started again since they were lent: what was
 * read is of mounts that are gone.  While all stands still.  -1 as omissions_add. */
int inventory_check_tmpfs(struct inventory *v, struct err *e);

/* Take the sources off the list that are left out.  Before they are lent. */
void inventory_purge(struct inventory *v);

void inventory_warn(struct inventory *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Add a file of a compose project, unless the plan names it. */
int inventory_add_compose(struct inventory *v, const char *path, struct err *e);

/* "layer", "tmpfs", "volume", "bind", "host" */
const char *source_kind_name(enum source_kind kind);

#endif
