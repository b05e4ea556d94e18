#ifndef STORE_READ_RATE_LIMIT_H
#define STORE_READ_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Keeps work in the background from taking all of a disk, and ends it when it is asked to. */
struct rate_limit {
	int64_t bytes_per_second; /* 0: no limit */
	bool (*stop)(void *ctx);  /* NULL: never */
	void *ctx;
	int64_t due_ns; /* when what was taken so far is paid for */
};

/* ERR_CANCELLED if it shall stop. */
int rate_limit_check(const struct rate_limit *p, struct err *e);

/* Wait until ${bytes} more may be read or written.  Up to 100 ms' worth goes ahead of time. */
int rate_limit_take(struct rate_limit *p, int64_t bytes, struct err *e);

#endif
