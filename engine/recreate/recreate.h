#ifndef ENGINE_RECREATE_RECREATE_H
#define ENGINE_RECREATE_RECREATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/traits.h"

/*
 * From what a container's inspect said to what makes it again: pure functions of JSON.
 * Source: the table of inspect → create in docs/recreate.md.
 */
struct recreate_options {
	int api;		     /* engine_api() of the engine that will create it */
	const struct traits *traits; /* its traits; NULL: those of any Docker */
	bool same_version;	     /* the inspect is of this very engine version */
	const char *image; /* what to put into Image (a name that resolves, else the id) */

	/* The container that ${ref} means in the inspect (its id, the beginning of it, or its
	 * name): what to write instead; NULL if there is none.  Without it all stay as they are. */
	const char *(*container)(void *ctx, const char *ref);
	/* An inspect of that container, for what it lends (volumes-from); NULL: not known. */
	const json_t *(*lender)(void *ctx, const char *ref);
	/* The name of the network that ${ref} (an id, or the beginning of one) means; or NULL. */
	const char *(*network)(void *ctx, const char *ref);
	void *ctx;
	json_t *left_out; /* what it refers to and is not there is told here, as texts; or NULL */
};

/**
 * recreate_body(inspect, options, ret_body, ret_connects, e):
 * The body for containers_create and an array of {"network", "endpoint"} to connect before the
 * start (empty where the engine takes all networks at once); an item without an endpoint is a
 * network that the engine connects by itself and that the container had left: to be disconnected,
 * and these come first.  Both the caller's.
 * A reference to a container that is not there is left out: a shared network becomes none, other
 * shared namespaces its own, and what volumes-from lent is bound by its names.
 * ERR_INVALID if the inspect lacks what it must have.
 */
int recreate_body(const json_t *inspect, const struct recreate_options *options, json_t **ret_body,
	json_t **ret_connects, struct err *e);

/**
 * recreate_equal(a, of_a, b, of_b):
 * True if two inspects describe the same container but for what cannot be chosen (ids, times,
 * state, dynamic addresses and MACs, derived paths): it can be restored in place.  References are
 * compared by what ${of_a} and ${of_b} (container, lender, network, ctx) map them to; NULL: as
 * they are.
 */
bool recreate_equal(const json_t *a, const struct recreate_options *of_a, const json_t *b,
	const struct recreate_options *of_b);

#endif
