#ifndef STORE_CATALOGUE_RUNS_H
#define STORE_CATALOGUE_RUNS_H

#include <stdint.h>

#include "base/err.h"

struct store;

/* When the schedule ran and runs next, over restarts.  Thread-safe. */
struct runs {
	int64_t last_ns; /* 0: never yet */
	int64_t next_ns;
};

/* What is known of the schedule ${text}: 1, 0 (nothing, or of another one), -1. */
int runs_get(struct store *s, const char *text, struct runs *ret_runs, struct err *e);

/* Also when another schedule was known: it is forgotten. */
int runs_set(struct store *s, const char *text, const struct runs *runs, struct err *e);

#endif
