#ifndef JOBS_IMPORT_EXPECTED_MEMBERS_H
#define JOBS_IMPORT_EXPECTED_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

/*
 * What the manifest of an archive from elsewhere expected: its members, in the order of design.md
 * section 5: RESTORE.txt; images; of each container inspect.json, then its layer; networks; then
 * the volumes, binds and host paths as the manifest lists them.
 */
enum promise_kind {
	PROMISE_TEXT,	 /* RESTORE.txt */
	PROMISE_IMAGE,	 /* a tar of `docker save` */
	PROMISE_INSPECT, /* of a container */
	PROMISE_NETWORK, /* its inspect */
	PROMISE_TREE	 /* a root and all below it */
};

struct promise {
	enum promise_kind kind;
	char *path;	    /* of the member, or of the tree's root */
	const json_t *item; /* the manifest's; borrowed */
	bool layer;	    /* a tree: a container's writable layer */
	bool file;	    /* a tree: its root is a file, and all there is */
};

struct expected {
	const json_t *manifest; /* borrowed */
	char id[ID_SIZE];
	int64_t created_ns; /* to the millisecond */
	bool incomplete;    /* something could not be read: roots may be missing */
	struct promise *list;
	size_t count;
};

enum {
	EXPECTED_MEMBERS_NAME_MAX = 255,
	EXPECTED_MEMBERS_ITEMS_MAX = 100000 /* of each of the manifest's lists */
};

/**
 * expected_members_read(manifest, ret_promises, e):
 * Check ${manifest} (borrowed for as long as the result lives): ids, names, states and paths have
 * their form, nothing stands there twice, each source's place in the archive is the one that its
 * kind and name give, and what it refers to is in the manifest.  ERR_CORRUPT, ERR_UNSUPPORTED (of
 * another version).
 */
int expected_members_read(const json_t *manifest, struct expected **ret_promises, struct err *e);
void expected_members_free_at(struct expected **p);

/* Whether the inspect, of a container or a network, that ${p} promised has the name, and of a
 * container the id, that the manifest says.  ERR_CORRUPT. */
int expected_members_kept(const struct promise *p, const json_t *inspect, struct err *e);

/* True if ${text} is ${head} and 64 lower-case hexadecimal digits. */
bool expected_members_hex(const char *text, const char *head);

#endif
