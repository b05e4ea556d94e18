#ifndef JOBS_CONTENT_HOST_DIFF_H
#define JOBS_CONTENT_HOST_DIFF_H

#include <jansson.h>

#include "engine/engine.h"
#include "jobs/content/contents.h"

/*
 * What is different here from where a backup was made, in words: for the warnings of an import and
 * of a restore.
 */

/**
 * host_diff_differences(there, here):
 * A new list of texts.  ${there}, ${here}: the member "engine" of a manifest (manifest_engine):
 * host, version, storage_driver, os, architecture.  What one of them does not tell is not compared.
 */
json_t *host_diff_differences(const json_t *there, const json_t *here);

/**
 * host_diff_note(inspect, addresses):
 * Add to ${addresses}, an object {address: [names]}, the addresses of its own host on which the
 * container publishes ports (loopback and "all" are on every host).
 */
void host_diff_note(const json_t *inspect, json_t *addresses);

/**
 * host_diff_warnings(manifest, addresses, engine, warnings):
 * Append to ${warnings} how this host differs from that of ${manifest}, and, if it is another
 * one, which of ${addresses} it has to have.  An engine that does not answer is itself a warning.
 */
void host_diff_warnings(
	const json_t *manifest, const json_t *addresses, struct engine *engine, json_t *warnings);

/* Both, of all containers of ${c}. */
void host_diff_tell(const struct contents *c, struct engine *engine, json_t *warnings);

#endif
