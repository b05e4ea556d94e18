#ifndef ENGINE_SELF_H
#define ENGINE_SELF_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/* Who this process is, seen from the engine. */
struct self {
	bool container;	     /* runs in a container of this engine */
	char id[65];	     /* its id */
	char *image;	     /* its image's id */
	char *network_owner; /* id of the container whose network namespace it shares, or NULL */
	json_t *inspect;
};

/**
 * self_find(g, ret_self, e):
 * Candidates from /proc/self/mountinfo and cgroup, then all that run, confirmed by a probe: a file
 * that is made in our root, or where that is read-only in a folder of the host's that is mounted
 * here, is seen by the engine in one container alone.  ERR_CONFLICT if this is a container and it
 * cannot be told which: then nobody may be frozen; and if it is none, and the engine is one of an
 * address (tcp://), which may be another host's.
 */
int self_find(struct engine *g, struct self **ret_self, struct err *e);
void self_free(struct self *s);
void self_free_at(struct self **s);

/**
 * self_admit(g, e):
 * Whether ${g} can be this host's engine, without asking it.  ERR_CONFLICT: it is one behind an
 * address, and nothing says that this is a container.
 */
int self_admit(const struct engine *g, struct err *e);

/**
 * self_host_path(s, path):
 * The host's path of ${path} inside this container, by its longest mount; ${path} itself outside a
 * container.  The caller's to free; NULL if it is in the container's own layer.
 */
char *self_host_path(const struct self *s, const char *path);

#endif
