#ifndef STORE_CATALOGUE_STATE_H
#define STORE_CATALOGUE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "store/catalogue/catalogue.h"
#include "store/catalogue/pins.h"
#include "store/format/io.h"
#include "store/format/recipe.h"

struct pack;

/* A reader's claim: while it is on the list no sweep takes these chunks nor unlinks a pack. */
struct lease {
	char backup[ID_SIZE];
	const struct recipe *recipe;
	uint64_t turn; /* of the store when it was taken */
	struct lease *next;
	struct lease *before;
};

/* The inside of struct store, for the files of this folder. */
struct store {
	struct io io;
	char *path;
	int fd;
	int packs_fd;
	int lock_fd;
	int64_t pack_bytes;
	int64_t reserve_bytes;
	struct cipher *cipher; /* NULL: the store is not encrypted */
	struct catalogue *catalogue;

	/*
	 * Held shared from a look-up until what it found is pinned; a sweep's last transaction
	 * holds it exclusively.
	 */
	pthread_rwlock_t lookup;

	/* Goes up when a chunk is removed or found bad: see segments.h. */
	_Atomic int64_t generation;

	pthread_cond_t lease_given; /* with the mutex, by the monotonic clock */
	pthread_mutex_t mutex;	    /* guards what follows */
	uint64_t next_number; /* the next chunk's; only goes down to give back what was not used */
	struct pack *idle;    /* an open pack for the next session, or NULL */
	struct ingest *sessions;
	struct lease leases; /* head of a ring */
	uint64_t turn;	     /* goes up with each lease: which are older than something is known */
	bool sweeping;	     /* there is one sweep at a time */
	struct pins *needed; /* a sweep's: a session that is closed leaves its pins here; or NULL */
};

#endif
