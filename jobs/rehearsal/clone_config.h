#ifndef JOBS_REHEARSAL_CLONE_CONFIG_H
#define JOBS_REHEARSAL_CLONE_CONFIG_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/*
 * From what a container's inspect said to the body of its clone in a rehearsal: a pure function of
 * JSON.
 *
 * What a clone gets is a white list: nothing that leads out of it (the host's name spaces, devices,
 * capabilities, sockets, folders, networks, ports) can come through, also not by a field that a
 * later engine invents.  What is left out and could matter is named in `unproven`.
 * Source: docs/design/design.md section 7; docs/rehearsal.md has the table.
 */

/* Of all that a rehearsal makes: its id; and whose it is, by the host's path of the store. */
#define CLONE_CONFIG_LABEL "fuel-backup.rehearsal"
#define CLONE_CONFIG_STORE_LABEL "fuel-backup.store"

/* What an engine without root, or a kernel without the controller, cannot limit. */
enum {
	CLONE_CONFIG_NO_MEMORY = 1,
	CLONE_CONFIG_NO_CPUS = 2,
	CLONE_CONFIG_NO_SHARES = 4,
	CLONE_CONFIG_NO_PIDS = 8
};

/* Those of the engine whose GET /info says ${info}. */
unsigned clone_config_unlimited(const json_t *info);

struct clone_config_options {
	const char *id;	      /* of the rehearsal */
	const char *store;    /* the value of CLONE_CONFIG_STORE_LABEL */
	const char *image;    /* the id of its image here; NULL: the recorded one */
	int api;	      /* engine_api() */
	int64_t memory_bytes; /* its limit */
	const char *cpus;     /* it may run on these: "0-3,7" */
	unsigned unlimited;   /* CLONE_CONFIG_NO_*: the engine cannot set these limits */
	const char *holder; /* container whose network stands for the host's; NULL: there is none */
	const json_t *volumes; /* {recorded name: name of the clone's volume} */
	const json_t *binds;   /* {host path: {"volume": name} or {"file": path on the host}} */

	/* The recorded name of the container that an id or a name meant, or NULL. */
	const char *(*container)(void *ctx, const char *id);
	void *ctx;
};

/* "rehearsal-ID-NAME": of containers and networks.  The caller's. */
char *clone_config_name(const char *id, const char *name);

/* A new object: the labels of everything that a rehearsal makes. */
json_t *clone_config_labels(const char *id, const char *store);

/**
 * clone_config_body(inspect, options, unproven, ret_body, ret_connects, e):
 * As recreate_body.  Appends {"container": name, "what": text} to ${unproven}.
 */
int clone_config_body(const json_t *inspect, const struct clone_config_options *options,
	json_t *unproven, json_t **ret_body, json_t **ret_connects, struct err *e);

/* Names of the networks that the clone of ${inspect} wants, as recorded; a new array. */
json_t *clone_config_networks(const json_t *inspect);

/* Add {"container": ${name} or null, "what": text} to ${unproven}. */
void clone_config_unproven(json_t *unproven, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
