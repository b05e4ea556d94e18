#ifndef ARCHIVE_DIFFER_PARTS_H
#define ARCHIVE_DIFFER_PARTS_H

#include "archive/disk/attributes.h"
#include "archive/disk/links.h"
#include "archive/restore/differ.h"
#include "archive/write/walk.h"

/* What differ.c, compare.c and survey.c share; nobody else includes it. */

enum {
	DIFFER_BUFFER = 256 * 1024,
	DIFFER_HELD_MAX = 200000, /* 40 bytes each */
	DIFFER_MOUNTS_MAX = 1024  /* of their names, for a message */
};

struct differ {
	struct tree tree;
	char *prefix;
	bool absent;
	struct ledger ledger;
	struct ledger held;   /* of excluded entries: LEDGER_HELD; of folders above: LEDGER_DIR */
	struct ledger veiled; /* opaque folders of the tree */
	struct links links;   /* inodes with several names, and who has been found equal to one */
	int64_t since_ns;     /* T */
	char *const *parts;
	bool steady;   /* the file system moves ctime at each change */
	bool by_id;    /* what is proved to be equal by the archive's owner needs not be read */
	bool too_much; /* the last survey found what the archive does not have */
	differ_tell *tell;
	void *ctx;
	struct attributes attributes;
	char *buffer;
	struct buf mounts;
	char *parent;  /* path of the folder that was used last, */
	int parent_fd; /* and the folder; -1 if there is none */
};

void differ_close_at(struct differ **d);

/* How ${path} lies to what is asked for. */
enum differ_place { PLACE_IN, PLACE_ABOVE, PLACE_OUT };
enum differ_place differ_place(const struct differ *d, const char *path);

struct differ_found {
	bool there; /* something of this name */
	bool stays; /* it need not be replaced */
	bool same;  /* and is equal in all; else a folder with other attributes */
	uint64_t inode;
};

/* Look at ${path} on disk, which the archive has as ${m}. */
int differ_compare(struct differ *d, const struct member *m, enum walk_kind kind, const char *path,
	const struct ledger_entry *x, struct reader *r, struct differ_found *ret_found,
	struct err *e);

#endif
