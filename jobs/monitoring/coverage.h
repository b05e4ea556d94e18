#ifndef JOBS_MONITORING_COVERAGE_H
#define JOBS_MONITORING_COVERAGE_H

#include <jansson.h>

#include "base/err.h"
#include "engine/engine.h"
#include "store/open/store.h"

/**
 * coverage_take(s, engine, now_ns, ret, e):
 * Whether each container of the host is in a backup of the last 24 hours that was made here and can
 * be read.  A new object {"containers": how many, "missing": [names], "left_out": [names: by their
 * label], "oldest_at": of the newest backups of each the oldest, or null}.  Asks the engine for its
 * list, and nothing of what is in them.  ERR_UNREACHABLE and the like.
 */
int coverage_take(
	struct store *s, struct engine *engine, int64_t now_ns, json_t **ret, struct err *e);

/* Pure: the same from the engine's list of containers (GET /containers/json), without those of
 * ${self_id}, and records of backups. */
json_t *coverage_judge(
	const json_t *containers, const char *self_id, const json_t *backups, int64_t now_ns);

#endif
