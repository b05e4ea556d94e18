#ifndef JOBS_PLAN_PLAN_H
#define JOBS_PLAN_PLAN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "jobs/plan/keep.h"

/*
 * A plan: what is to be backed up.  docs/plan.md describes its JSON.
 */
struct plan {
	json_t *document;	/* as given, with defaults filled in */
	const json_t *names;	/* fnmatch patterns of container names; these all are arrays */
	const json_t *labels;	/* "key" or "key=value" */
	const json_t *projects; /* compose projects */
	const json_t *not_names;
	const json_t *not_labels;
	const json_t *host_paths; /* absolute, without a trailing slash */
	const json_t *exclude;	  /* fnmatch patterns: host paths from '/', else archive paths */
	bool tmpfs;		  /* containers' tmpfs mounts are taken, too */
	bool fails;		  /* at the first object that would have to be left out */
	const json_t *schedule;	  /* checked; NULL: none */
	bool keeps;		  /* it has `keep` */
	const json_t *copies;	  /* names of destinations, after each backup; NULL: none */
	bool rehearses;		  /* each backup that succeeds is rehearsed */
	const json_t *rehearsals; /* a schedule for rehearsals, checked; NULL: none */
	struct keep keep;
	bool embedded; /* the default: on a Fuel master its paths are added */
};

/**
 * plan_parse(document, ret_plan, e):
 * Check ${document} (borrowed; NULL: the embedded default) and fill ${ret_plan}.  ERR_INVALID
 * names the field and what it may be.
 */
int plan_parse(const json_t *document, struct plan **ret_plan, struct err *e);
int plan_load(const char *path, struct plan **ret_plan, struct err *e);
void plan_free(struct plan *p);
void plan_free_at(struct plan **p);

/* True if the plan takes the container that ${inspect} describes. */
bool plan_takes(const struct plan *p, const json_t *inspect);

/* Whether ${document}, the plan of a backup, takes the same: all but `keep`, `schedule`,
 * `copies`, `rehearse` and `on_error` is equal. */
bool plan_same(const struct plan *p, const json_t *document);

/* Add the paths of a Fuel master to the embedded default. */
void plan_add_fuel(struct plan *p);

#endif
