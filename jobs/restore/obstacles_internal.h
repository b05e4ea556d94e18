#ifndef JOBS_RESTORE_OBSTACLES_INTERNAL_H
#define JOBS_RESTORE_OBSTACLES_INTERNAL_H

#include "jobs/restore/host_sockets.h"
#include "jobs/restore/obstacles.h"

/* What obstacles.c and obstacles_*.c share; nobody else includes it. */

struct obstacles {
	const struct restore *restore;
	json_t *info;	    /* of the engine */
	json_t *containers; /* its list of containers */
	json_t *networks;   /* its list of networks */
	int api;	    /* of the engine (obstacles_engine) */
	struct host_sockets host;
	const char *check; /* the one that runs */
	const char *advice;
	json_t *list;
};

/* There is one: ${name} is the thing concerned. */
void obstacles_add(struct obstacles *o, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether ${item} is made or started by the restore. */
bool obstacles_is_made(const struct restore_container *item);
bool obstacles_is_started(const struct restore_container *item);

/* Whether ${id} is of a container that the restore makes again. */
bool obstacles_is_remade(const struct obstacles *o, const char *id);

/* Whether ${id} is of a container that the restore stops or replaces. */
bool obstacles_is_ours(const struct obstacles *o, const char *id);

/* The network ${name} that is here and stays: 1 with a new inspect; 0: it will be made, or made
 * again; -1. */
int obstacles_network_stays(
	const struct obstacles *o, const char *name, json_t **ret_present, struct err *e);

/* The checks of obstacles_host.c: what the host has. */
int obstacles_volumes(struct obstacles *o, struct err *e);
int obstacles_space(struct obstacles *o, struct err *e);
int obstacles_names(struct obstacles *o, struct err *e);

/* …of obstacles_engine.c: what the engine refuses. */
int obstacles_engine(struct obstacles *o, struct err *e);
int obstacles_interfaces(struct obstacles *o, struct err *e);

/* …and of obstacles_net.c. */
int obstacles_networks(struct obstacles *o, struct err *e);
int obstacles_subnets(struct obstacles *o, struct err *e);
int obstacles_ports(struct obstacles *o, struct err *e);
int obstacles_addresses(struct obstacles *o, struct err *e);

#endif
