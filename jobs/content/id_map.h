#ifndef JOBS_CONTENT_ID_MAP_H
#define JOBS_CONTENT_ID_MAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/traits.h"
#include "jobs/content/contents.h"

/*
 * An engine that remaps users (userns-remap) gives a container's files to other users of the host:
 * those from a base on.  A backup holds owners as the host has them, and its manifest that base
 * (engine.id_base, "UID.GID"); on an engine with another base, or none, owners are translated:
 * those of layers, volumes and tmpfs mounts, and of binds and host paths where they can be but a
 * container's.  So are ids in POSIX ACLs and in file capabilities.
 *
 * IDS: as many are mapped, as Docker's own default has it; ids beyond are the host's, and stay.
 */
enum { ID_MAP_IDS = 65536 };

struct id_map {
	uint32_t uid_from, uid_to, gid_from, gid_to; /* bases */
};

/* For a manifest: "100000.100000" in ${engine}, if it remaps. */
void id_map_record(json_t *engine, const struct traits *traits);

/**
 * id_map_between(manifest, traits, ret_map, e):
 * From what the backup was made on to the engine that is here.  ERR_CORRUPT if the manifest's base
 * is none.
 */
int id_map_between(
	const json_t *manifest, const struct traits *traits, struct id_map *ret_map, struct err *e);

/* Whether it changes anything. */
bool id_map_differs(const struct id_map *map);

/**
 * id_map_member(map, m, space, ret_copy):
 * ${m} with the owners of the other side.  What it points to is ${m}'s, or in ${space}, which is
 * valid until the next call.
 */
struct id_map_space {
	struct member_xattr *xattrs;
	char *values;
};
void id_map_member(const struct id_map *map, const struct member *m, struct id_map_space *space,
	struct member *ret_copy);
void id_map_space_free(struct id_map_space *space);

/*
 * A visit of contents (contents.h) that hands ${visit} each member with its owners translated.
 * ${inspects}: of the backup, {name: inspect}; a container that was not remapped keeps its layer's
 * owners.  NULL: none is known.
 */
struct id_map_visit {
	struct id_map map;
	contents_visit *visit;
	void *ctx;
	const json_t *inspects;
	struct id_map_space space;
};

/* Have ${visit} handed to ${v} for the engine ${g}.  Errors as id_map_between. */
int id_map_visit_by(struct id_map_visit *v, struct engine *g, const struct contents *contents,
	contents_visit *visit, void *ctx, struct err *e);
int id_map_visit(void *id_map_visit, const struct member *m, struct reader *r, struct err *e);
void id_map_visit_free(struct id_map_visit *v);

#endif
