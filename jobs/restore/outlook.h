#ifndef JOBS_OUTLOOK_H
#define JOBS_OUTLOOK_H

#include <jansson.h>

#include "archive/restore/differ.h"
#include "jobs/restore/restore.h"

/* What a restore would change: counts for each source, and a page of the list of entries. */
enum { OUTLOOK_ENTRIES_MAX = 1000 };

struct outlook;

/* ${from}: so many are left out of the list first. */
struct outlook *outlook_new(int64_t from);
void outlook_free(struct outlook *o);

/* A differ_tell; ${ctx}: the struct target. */
int outlook_tell(void *ctx, const struct differ_notice *n, struct err *e);

/**
 * outlook_json(r, ret_json, e):
 * After affected_choose: the result of a dry run (docs/restore.md), a new object.  Asks the engine,
 * and changes nothing.
 */
int outlook_json(const struct restore *r, json_t **ret_json, struct err *e);

#endif
