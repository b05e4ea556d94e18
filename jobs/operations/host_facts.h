#ifndef JOBS_OPERATIONS_HOST_FACTS_H
#define JOBS_OPERATIONS_HOST_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * What the engine says of its host: the host's name, which to a service in a container is not its
 * own, and what its clock shows.  Thread-safe.
 */
enum { HOST_NAME_SIZE = 256 };

/* A clock that differs by less agrees: the answer took its time. */
static const int64_t HOST_CLOCK_SLACK_NS = INT64_C(2) * 1000000000;

struct host_facts;

struct host_facts *host_facts_new(void);
void host_facts_free(struct host_facts *f); /* NULL: nothing */

/**
 * host_clock(info, before_ns, after_ns, ret_ahead_ns):
 * How far the engine's clock was ahead of ours when it answered ${info} (GET /info), which was
 * asked at ${before_ns} and there at ${after_ns}.  Returns false if it tells no time.
 */
bool host_clock(const json_t *info, int64_t before_ns, int64_t after_ns, int64_t *ret_ahead_ns);

/* Ask now; a clock that begins to differ is logged.  -1: what was known before stays. */
int host_facts_ask(struct host_facts *f, struct engine *engine, struct err *e);

/* The name, "" while it is not known.  Returns ${name}. */
const char *host_facts_name(struct host_facts *f, char name[HOST_NAME_SIZE]);

/* Milliseconds that the engine's clock is ahead of ours (below 0: behind), 0 while it agrees.
 * Returns false while it is not known. */
bool host_facts_clock(struct host_facts *f, int64_t *ret_ahead_ms);

#endif
