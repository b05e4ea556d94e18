#ifndef ENGINE_RECREATE_H
#define ENGINE_RECREATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * From what a container's inspect said to what makes it again: pure functions of JSON.
 * Source: the table of inspect → create in docs/recreate.md.
 */
struct recreate_options {
	int api;	   /* engine_api() of the engine that will create it */
	bool same_version; /* the inspect is of this very engine version */
	const char *image; /* what to put into Image (a name that resolves, else the id) */
	/* Maps the id of a container as it was recorded to its name or new id now; NULL if there
	 * is none.  For container: modes and links. */
	const char *(*container)(void *ctx, const char *id);
	void *ctx;
};

/**
 * recreate_body(inspect, options, ret_body, ret_connects, e):
 * The body for containers_create and an array of {"network", "endpoint"} to connect before the
 * start (empty where the engine takes all networks at once).  Both the caller's.
 * ERR_INVALID if the inspect lacks what it must have.
 */
int recreate_body(const json_t *inspect, const struct recreate_options *options, json_t **ret_body,
	json_t **ret_connects, struct err *e);

/**
 * recreate_equal(a, b):
 * True if two inspects describe the same container but for what cannot be chosen (ids, times,
 * state, dynamic addresses and MACs, derived paths): it can be restored in place.
 */
bool recreate_equal(const json_t *a, const json_t *b);

#endif
