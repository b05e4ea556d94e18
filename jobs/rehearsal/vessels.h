#ifndef JOBS_VESSELS_H
#define JOBS_VESSELS_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"
#include "jobs/content/contents.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * The data of a rehearsal: what is filled from the backup.  Each volume, and each folder or file of
 * the host that a container binds, gets a fresh volume; each clone has its writable layer.
 *
 *	vessels_look (while the backup is read) ──> vessels_plan ──> vessels_make ──> vessels_maps
 *	       ──> (containers are made) ──> vessels_add_layer ──> vessels_fill
 */
struct vessels;

/* What is known of the members that containers bind from within a larger source. */
struct vessels_seen {
	json_t *wanted; /* archive paths: true; NULL before the first member that could be one */
	json_t *kinds;	/* {archive path: "file" | "folder"} */
	int64_t bytes;	/* of all that is below volumes, binds, host and layers */
};

/* A contents_looker of struct vessels_seen (all zero before). */
void vessels_look(void *ctx, const struct contents *c, const struct member *m);
void vessels_seen_clear(struct vessels_seen *seen);

/**
 * vessels_plan(c, seen, id, unproven):
 * Which volumes the rehearsal ${id} is to make.  ${c}: borrowed to vessels_free.
 */
struct vessels *vessels_plan(const struct contents *c, const struct vessels_seen *seen,
	const char *id, json_t *unproven);
void vessels_free(struct vessels *v);
void vessels_free_at(struct vessels **v);

/* Make the volumes, with ${labels}. */
int vessels_make(struct vessels *v, struct engine *g, json_t *labels, struct err *e);

/* As clone_options has them; borrowed. */
const json_t *vessels_volumes(const struct vessels *v);
const json_t *vessels_binds(const struct vessels *v);

/* ${path}: on the host, of the layer of the clone of ${container}, which was never started. */
void vessels_add_layer(struct vessels *v, const char *container, const char *path);

struct vessels_source {
	struct store *store;
	struct engine *engine;
	const struct self *self;
	struct operation *operation;
	const char *backup;
	const char *id;
	json_t *unproven;
};

/**
 * vessels_fill(v, source, e):
 * Put everything in.  ERR_NO_SPACE, before anything is written, if it cannot fit; ERR_CORRUPT.
 */
int vessels_fill(struct vessels *v, const struct vessels_source *source, struct err *e);

#endif
