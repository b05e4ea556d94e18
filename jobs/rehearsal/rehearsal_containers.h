#ifndef JOBS_REHEARSAL_REHEARSAL_CONTAINERS_H
#define JOBS_REHEARSAL_REHEARSAL_CONTAINERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"
#include "jobs/content/contents.h"
#include "jobs/rehearsal/rehearsal_data.h"

/*
 * The clones of a rehearsal, with their networks: made from what is recorded (clone_config.h), and
 * removed again by their labels.
 */
struct clone {
	const char *name;      /* recorded; borrowed from the contents */
	const json_t *inspect; /* as recorded; borrowed */
	int64_t memory_bytes;  /* its part of the whole */
	char *id;	       /* NULL: it could not be made, and */
	struct err fault;      /* this is why; else its code is ERR_NONE */
};

struct rehearsal_containers {
	struct engine *engine;
	const struct self *self;
	const struct contents *contents;
	const json_t *image_ids; /* image_ids.h */
	const char *id;		 /* of the rehearsal */
	const char *run_path;	 /* for lenders */
	const char *store;	 /* the host's path of it, for labels */
	int64_t memory_bytes;	 /* of all together */
	const char *cpus;	 /* all run on these */
	unsigned unlimited;	 /* clone_config_unlimited */
	json_t *unproven;
	char *holder;	    /* the name of what holds the network that stands for the host's */
	struct clone *list; /* in the order of their start */
	size_t count;
};

/* What one clone needs at least: below this even a shell is killed. */
enum { CLONE_MEMORY_MIN = 16 * 1024 * 1024 };

/**
 * rehearsal_containers_plan(c, e):
 * Order them and share the memory: each gets the same, but none more than it had been limited to,
 * and what that leaves goes to the others.  ERR_INVALID if there is too little.
 */
int rehearsal_containers_plan(struct rehearsal_containers *c, struct err *e);
void rehearsal_containers_clear(struct rehearsal_containers *c);

/**
 * rehearsal_containers_make(c, vessels, e):
 * Make networks and containers, and add the containers' layers to ${vessels}.  What the engine
 * refuses is the fault of that clone, not an error of this.
 */
int rehearsal_containers_make(
	struct rehearsal_containers *c, struct rehearsal_data *vessels, struct err *e);

/**
 * rehearsal_containers_sweep(g, store, e):
 * Remove all containers, volumes and networks that have this store's label.  Goes on after an
 * error, and returns it.
 */
int rehearsal_containers_sweep(struct engine *g, const char *store, struct err *e);

#endif
