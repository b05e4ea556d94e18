#ifndef JOBS_BACKUP_SUMMARY_H
#define JOBS_BACKUP_SUMMARY_H

#include <jansson.h>

#include "jobs/backup/passes.h"
#include "jobs/freeze/freeze.h"
#include "jobs/freeze/hooks.h"
#include "jobs/sources/inventory.h"
#include "store/write/ingest.h"

/*
 * A backup's record, as the API shows it.
 */
struct summary {
	const struct inventory *inventory; /* NULL: the backup failed before there was one */
	const struct freeze *freeze;	   /* NULL: it failed before, or there is none */
	const struct passes *passes;
	const struct hooks *hooks; /* NULL: none were read */
	const json_t *pass_list;
	const json_t *plan;
	const char *freezer;
	int64_t freeze_ms; /* -1: none */
	int64_t duration_ms;
	int64_t stored_bytes;
	const struct pass_result *frozen;   /* of the last frozen pass, all zero before */
	const struct ingest_totals *totals; /* NULL: it failed */
	const struct err *error;	    /* NULL: it did not */
};

json_t *summary_json(const struct summary *s);

/* The names of the Swarm's services that are in it; a new array. */
json_t *summary_services(const struct inventory *v);

/* Of each container: name, image, state and how long it was frozen; a new array. */
json_t *summary_containers(const struct inventory *v, const struct freeze *f);

#endif
