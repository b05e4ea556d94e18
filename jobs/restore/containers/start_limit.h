#ifndef JOBS_RESTORE_CONTAINERS_START_LIMIT_H
#define JOBS_RESTORE_CONTAINERS_START_LIMIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * How long a restored container may take to come up, from its recorded inspect alone.  Pure.
 */
enum { START_LIMIT_MIN_MS = 120 * 1000, START_LIMIT_MAX_MS = 3600 * 1000 };

/**
 * start_limit_ms(inspect):
 * Returns the time after which a container that restarts, or is unhealthy, has failed: its health
 * check's start period and all its tries, and twice what it took when the backup was made, as far
 * as the health check's log tells; START_LIMIT_MIN_MS to START_LIMIT_MAX_MS.
 */
int64_t start_limit_ms(const json_t *inspect);

/* Whether the engine starts it again after it ended with an error (or in any case). */
bool start_limit_comes_again(const json_t *inspect);

/**
 * start_limit_looped(inspect, created_at):
 * Whether it kept restarting when the backup was made (at ${created_at}, RFC 3339): it waited for
 * its next start, or had been restarted in the last seconds.
 */
bool start_limit_looped(const json_t *inspect, const char *created_at);

/* ${text} (RFC 3339, any zone) in milliseconds since 1970; -1 if it is none. */
int64_t start_limit_time_ms(const char *text);

#endif
