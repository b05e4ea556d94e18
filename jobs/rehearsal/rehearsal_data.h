#ifndef JOBS_REHEARSAL_REHEARSAL_DATA_H
#define JOBS_REHEARSAL_REHEARSAL_DATA_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/layers/layers.h"
#include "engine/self.h"
#include "jobs/content/contents.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/*
 * The data of a rehearsal: what is filled from the backup.  Each volume, and each folder or file of
 * the host that a container binds, gets a fresh volume; each clone has its writable layer.
 *
 *	rehearsal_data_look (while the backup is read) ──> rehearsal_data_plan ──>
 * rehearsal_data_make ──> vessels_maps ──> (containers are made) ──> rehearsal_data_add_layer ──>
 * rehearsal_data_fill
 */
struct rehearsal_data;

/* What is known of the members that containers bind from within a larger source. */
struct rehearsal_data_seen {
	json_t *wanted; /* archive paths: true; NULL before the first member that could be one */
	json_t *kinds;	/* {archive path: "file" | "folder"} */
	int64_t bytes;	/* of all that is below volumes, binds, host and layers */
};

/* A contents_looker of struct rehearsal_data_seen (all zero before). */
void rehearsal_data_look(void *ctx, const struct contents *c, const struct member *m);
void rehearsal_data_seen_clear(struct rehearsal_data_seen *seen);

/**
 * rehearsal_data_plan(c, seen, id, unproven):
 * Which volumes the rehearsal ${id} is to make.  ${c}: borrowed to rehearsal_data_free.
 */
struct rehearsal_data *rehearsal_data_plan(const struct contents *c,
	const struct rehearsal_data_seen *seen, const char *id, json_t *unproven);
void rehearsal_data_free(struct rehearsal_data *v);
void rehearsal_data_free_at(struct rehearsal_data **v);

/* Make the volumes, with ${labels}. */
int rehearsal_data_make(struct rehearsal_data *v, struct engine *g, json_t *labels, struct err *e);

/* As clone_config_options has them; borrowed. */
const json_t *rehearsal_data_volumes(const struct rehearsal_data *v);
const json_t *rehearsal_data_binds(const struct rehearsal_data *v);

/* ${path}: on the host, of the layer of the clone of ${container}, which was never started. */
void rehearsal_data_add_layer(
	struct rehearsal_data *v, const char *container, const struct layer *layer);

struct rehearsal_data_source {
	struct store *store;
	struct engine *engine;
	const struct self *self;
	struct operation *operation;
	const char *backup;
	const char *id;
	json_t *unproven;
};

/**
 * rehearsal_data_fill(v, source, e):
 * Put everything in.  ERR_NO_SPACE, before anything is written, if it cannot fit; ERR_CORRUPT.
 */
int rehearsal_data_fill(
	struct rehearsal_data *v, const struct rehearsal_data_source *source, struct err *e);

#endif
