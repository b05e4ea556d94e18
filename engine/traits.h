#ifndef ENGINE_TRAITS_H
#define ENGINE_TRAITS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"

/*
 * What sets one engine apart from another.  This is the one place that knows engines by their
 * names: whoever has to act otherwise asks for the trait that is the reason.
 */
struct traits {
	bool podman;
	int podman_version; /* 100 * major + minor; 0 for Docker */
	bool rootless;	    /* it runs as an ordinary user of the host */
	bool remapped;	    /* containers' ids are others of the host's, unless told otherwise: */
	uint32_t uid_base; /* these is a container's root; 0 where nothing is remapped, and where */
	uint32_t gid_base; /* the engine itself lives in the map (rootless) */

	/* A bind of what the host does not have makes a folder there; Docker refuses the mount. */
	bool makes_missing_sources;
	/* It takes all networks of a container at its creation, whatever its API's version; and one
	 * that is connected later stays in the default network, too. */
	bool takes_all_networks;
	/* A container's restart policy can be changed. */
	bool updates_policy;
	/* The host's root is not within reach of a container in the host's process namespace: the
	 * engine has no more rights than its user. */
	bool hides_host_root;
	/* The question what runs in a container is an event ("top") of that container. */
	bool tells_questions;
	/* Files may have labels (SELinux) that keep containers from reading them. */
	bool labels;
};

/**
 * traits_of(version, info, ret_traits):
 * From what GET /version and GET /info say.  A pure function.
 */
void traits_of(const json_t *version, const json_t *info, struct traits *ret_traits);

/**
 * traits_find(g, ret_traits, e):
 * Those of engine ${g}: asked at the first call after engine_forget_api, then remembered.
 * Thread-safe.
 */
int traits_find(struct engine *g, struct traits *ret_traits, struct err *e);

#endif
