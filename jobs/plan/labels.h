#ifndef JOBS_PLAN_LABELS_H
#define JOBS_PLAN_LABELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Labels of a container that say what is to be done with it.  Their values come from whoever made
 * the container.
 */

/* The value of the first of ${names} (NULL-terminated) that the container has; borrowed, or NULL.
 */
const char *labels_text(const json_t *inspect, const char *const *names);

/* Whether ${array} is a command: texts, at least one. */
bool labels_is_command(const json_t *array);

/**
 * labels_command(inspect, names, ret_command, e):
 * A JSON array of texts, or else a line for the container's shell; NULL if there is none of the
 * labels.  The caller's.  ERR_INVALID.
 */
int labels_command(
	const json_t *inspect, const char *const *names, json_t **ret_command, struct err *e);

/* Seconds as milliseconds, 1 to ${max}; ${usual} seconds without the label.  ERR_INVALID. */
int labels_seconds(const json_t *inspect, const char *name, int usual, int max, int64_t *ret_ms,
	struct err *e);

#endif
