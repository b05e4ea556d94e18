#ifndef JOBS_COPIES_PACKS_COPY_STATE_H
#define JOBS_COPIES_PACKS_COPY_STATE_H

#include <jansson.h>

#include "jobs/copies/packs/copy_format.h"
#include "store/open/store.h"

/*
 * What this store knows of its copy at one destination: <store>/copied/NAME.json, replaced as a
 * whole.  And the store's own name there, 128 random bits, <store>/copied/_store.json, which is
 * drawn when it is first needed, and anew after a rebuild.
 *
 * 1. A pack is in here only once the index that describes it is there.
 * 2. An index is noted as under way before it is put, so that what a crash left is known as ours.
 * 3. A file that is lost costs requests, not bytes: what is there is found there.  But our own
 *    indexes are then those of a stranger (packs_copy.h, 3), and so is a new name to be taken.
 */
struct copy_state {
	int folder;
	char *file;
	char store[COPY_ID_TEXT];
	json_t *document; /* version, store, url, keys [], heads {}, under_way [], indexes
			     [{name, sha256, packs []}] */
	json_t *packs;	  /* uuid -> its index's place in `indexes` */
};

/* ${destination}: its name; ${url}: of another one nothing is known. */
int copy_state_open(struct store *s, const char *destination, const char *url,
	struct copy_state *ret_state, struct err *e);
void copy_state_close(struct copy_state *c); /* also of one that is all zero */

/* As if nothing had ever been put there, but which indexes are ours. */
void copy_state_forget(struct copy_state *c);

int copy_state_save(struct copy_state *c, struct err *e);

bool copy_state_has_pack(const struct copy_state *c, const char *uuid);
bool copy_state_has_head(const struct copy_state *c, const char *name);
bool copy_state_has_keys(const struct copy_state *c, const char *hash);
bool copy_state_owns(const struct copy_state *c, const char *index);

/* The newest index that is there, {name, sha256, packs}; NULL: there is none. */
const json_t *copy_state_newest(const struct copy_state *c);

/* Each noted, and saved. */
int copy_state_under_way(struct copy_state *c, const char *index, struct err *e);
int copy_state_index(
	struct copy_state *c, const char *index, const char *sha256, json_t *uuids, struct err *e);
int copy_state_head(struct copy_state *c, const char *name, struct err *e);
int copy_state_keys(struct copy_state *c, const char *hash, struct err *e);

#endif
