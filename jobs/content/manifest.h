#ifndef JOBS_CONTENT_MANIFEST_H
#define JOBS_CONTENT_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "jobs/plan/plan.h"
#include "jobs/sources/inventory.h"

/*
 * backup.json, the archive's first member, says what the others are; RESTORE.txt, the second, says
 * how to bring them back by hand.
 */
enum { MANIFEST_FORMAT = 1 };

struct manifest_options {
	const char *id;
	int64_t frozen_ns; /* real time of the freeze: the instant that the backup shows */
	struct engine *engine;
	const struct inventory *inventory;
	const struct plan *plan;
	const bool *single_file; /* of source i: its root is a file */
};

int manifest_new(const struct manifest_options *options, json_t **ret_manifest, struct err *e);

/* Its member "engine": what the present host is.  NULL if the engine does not answer. */
json_t *manifest_engine(struct engine *g, struct err *e);

/* The text of RESTORE.txt; the caller's. */
char *manifest_restore_text(const json_t *manifest);

#endif
