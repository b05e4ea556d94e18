#ifndef JOBS_COPIES_COPIES_H
#define JOBS_COPIES_COPIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "jobs/copies/destination.h"
#include "store/open/store.h"

/*
 * What is known of the copies of each backup: in memory, and in the store's folder `copies`, a file
 * a backup, written before anybody is told.
 *
 *	waiting ──> complete
 *	  │  ^
 *	  v  │ after 1, 2, 4 … minutes, at most COPIES_PAUSE_MAX_S, for COPIES_DAYS days
 *	failed ──> failed, without a next time
 *
 * Thread-safe.
 */
struct copies;

enum { COPIES_PAUSE_MAX_S = 6 * 3600, COPIES_DAYS = 7 };

int copies_open(struct store *s, struct copies **ret_copies, struct err *e);
void copies_close(struct copies *c); /* NULL: nothing */

/* It is to be copied there, in ${after_s} at the earliest; one that is complete stays so. */
int copies_want(struct copies *c, const char *backup, const char *destination, int64_t after_s,
	struct err *e);

/* What was put there. */
struct copies_object {
	const char *name;
	int64_t bytes;
	const char *sha256; /* NULL: of packs */
};
int copies_complete(struct copies *c, const char *backup, const char *destination,
	const struct copies_object *object, struct err *e);

/* ${why}: it is tried again, unless somebody cancelled it (ERR_CANCELLED), or its days are over. */
int copies_failed(struct copies *c, const char *backup, const char *destination,
	const struct err *why, struct err *e);

/* A new array, an object a destination: destination, state, at, object, bytes, sha256, tries,
 * next_at, error. */
json_t *copies_of(struct copies *c, const char *backup);

/* The backup is deleted. */
void copies_forget(struct copies *c, const char *backup);

/* One that is to be tried at ${now_ns}: true.  Never one of the destinations' that were handed out
 * less than a minute ago. */
bool copies_due(struct copies *c, int64_t now_ns, char backup[ID_SIZE],
	char destination[DESTINATION_NAME_MAX + 1]);

/* Of each destination, up to ${max}. */
struct copies_figures {
	char destination[DESTINATION_NAME_MAX + 1];
	int64_t complete, waiting, failed;
	int64_t newest_ns; /* when the newest backup that is there was made; 0: none */
};
size_t copies_figures(struct copies *c, struct copies_figures *figures, size_t max);

#endif
