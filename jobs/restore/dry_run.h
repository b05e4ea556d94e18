#ifndef JOBS_RESTORE_DRY_RUN_H
#define JOBS_RESTORE_DRY_RUN_H

#include <jansson.h>

#include "archive/restore/tree_diff.h"
#include "jobs/restore/restore.h"

/* What a restore would change: counts for each source, and a page of the list of entries. */
enum { DRY_RUN_ENTRIES_MAX = 1000 };

struct dry_run;

/* ${from}: so many are left out of the list first. */
struct dry_run *dry_run_new(int64_t from);
void dry_run_free(struct dry_run *o);

/* A tree_diff_tell; ${ctx}: the struct target. */
int dry_run_tell(void *ctx, const struct tree_diff_notice *n, struct err *e);

/**
 * dry_run_json(r, ret_json, e):
 * After impact_choose: the result of a dry run (docs/restore.md), a new object.  Asks the engine,
 * and changes nothing.
 */
int dry_run_json(const struct restore *r, json_t **ret_json, struct err *e);

#endif
