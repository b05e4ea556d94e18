#ifndef JOBS_RESTORE_STATE_RESTORE_STATE_H
#define JOBS_RESTORE_STATE_RESTORE_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "archive/restore/tree_diff.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/self.h"
#include "jobs/content/contents.h"
#include "jobs/operations/operations.h"
#include "store/open/store.h"

/* What one restore knows and has done; its parts (data, containers) and its undo share it. */

struct restore_request {
	struct store *store;
	struct engine *engine;
	char *backup;	      /* owned */
	bool host_paths;      /* host paths of the plan too, not only what containers use */
	json_t *only;	      /* parts (selection.h), owned; NULL: all */
	char *as;	      /* the one part of `only` goes there (restore_as.h), owned; or NULL */
	bool tags;	      /* names of images go back to those of the backup */
	bool networks;	      /* networks that are here with other settings are replaced */
	bool dry_run;	      /* tell what would change, and change nothing */
	int64_t entries_from; /* of a dry run: so many entries of its list are left out first */
	bool astute;	      /* /etc/fuel/astute.yaml too: IP, DHCP, DNS and NTP settings */
	char *confirm;	      /* the backup's id, by whoever wants all of it; owned; or NULL */
};

enum restore_way {
	WAY_NEW,      /* there is none of this name */
	WAY_IN_PLACE, /* same image and configuration: only its data change */
	WAY_REPLACE   /* set aside, and made again */
};

struct restore_container {
	const char *name;      /* borrowed from the contents */
	const json_t *inspect; /* as recorded; borrowed */
	enum restore_way way;
	json_t *present;    /* the inspect of the one that is there now, or NULL */
	char *id;	    /* of the one that carries on: the present one, or the new one */
	char *aside;	    /* the old one's name while it is set aside, or NULL */
	bool bystander;	    /* not asked for: it stays what it is, and is stopped if it must be */
	bool keeps;	    /* it is equal, and so are its data: it is left alone */
	bool stopped;	    /* we stopped the present one, */
	bool started;	    /* and started it, or may have */
	int64_t started_ns; /* clock_mono_ns: then */
	bool policy_off;    /* we switched its restart policy off */
	bool created;
	bool lacks;  /* it refers to what is not there: that it does not run is told, no failure */
	bool unsure; /* a stop of the present one was asked for, and may yet end it */
	/* After a crash: */
	bool untouched; /* the present one is as it was */
	bool lost;	/* it is gone */
	bool foreign;	/* somebody else made another one of its name */
	bool given_up;	/* it was named in `left` */
	char *lost_id;	/* of the one that was lost and is made again, or NULL */
};

struct restore {
	struct operation *operation; /* NULL while one that a crash cut off is put right */
	char *id;		     /* of the operation */
	const struct restore_request *request;
	struct contents *contents;
	struct self *self;
	struct restore_container *items; /* in the order of their start */
	size_t count;
	struct restore_data *refill;
	/* Told of each difference of the data; NULL: they are counted. */
	tree_diff_tell *tell;
	struct dry_run *outlook; /* its ctx, or NULL */
	json_t *image_ids;	 /* ids of the backup's images here (image_ids.h) */
	json_t *selection;	 /* or NULL */
	json_t *exclude;	 /* patterns of what stays as it is; or NULL */
	json_t *leaked;		 /* {container: why}: not written to in place (leaks.h); or NULL */
	bool tags_moved;	 /* names of images have been taken from others */
	bool started;		 /* restored containers may have run */
	bool stopping;		 /* old containers may have been asked to stop */
	json_t *networks;	 /* {name: inspect} that the old containers are in, or NULL */
	json_t *replaced;	 /* networks (replaced_networks.h), or NULL: none */
	json_t *left;		 /* what cannot be put back any more; or NULL: it is only logged */
	struct err trouble;	 /* why something is not back yet; ERR_NONE: nothing */
	bool same_version;	 /* the engine is of the version that the backup was made on */
	json_t *astute;		 /* what restore_data_astute told, or NULL */
	json_t *differing;	 /* what is here and is something else (differing.h) */
	json_t *services;	 /* of a Swarm (services.h), or NULL */
	bool manages;		 /* the engine is a manager of one */
	json_t *outside;	 /* containers that others refer to (references.c), or NULL */
	json_t *networks_here;	 /* all of the engine's, or NULL */
	json_t *warnings;
};

/* What the traces of this restore are named by. */
const char *restore_id(const struct restore *r);

/* Log, and append to ${r->left}, what will not be put back: ${kind} is container, data, network,
 * service or note. */
void restore_left(struct restore *r, const char *kind, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Why ${name} could not be put back yet; the first one counts. */
void restore_trouble(struct restore *r, const char *kind, const char *name, const struct err *e);

/* Warn of what the backup left out: it cannot be brought back. */
void restore_tell_left_out(struct restore *r);

void restore_warn(struct restore *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
