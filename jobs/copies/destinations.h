#ifndef JOBS_COPIES_DESTINATIONS_H
#define JOBS_COPIES_DESTINATIONS_H

#include <jansson.h>

#include "base/err.h"
#include "store/open/store.h"

/*
 * The named destinations of a store: a file each in its folder `destinations`, replaced as a whole.
 * A document is {"name", settings…, "probe": what the last probe found, or null}.  Thread-safe.
 */

/* All of them, by name; a new array. */
int destinations_list(struct store *s, json_t **ret_array, struct err *e);

/* ERR_NOT_FOUND. */
int destinations_get(struct store *s, const char *name, json_t **ret_document, struct err *e);

/* Just what the destination takes: without `name` and `probe`; a new object. */
json_t *destinations_settings(const json_t *document);

/* Keep it, in place of an earlier one of that name.  ERR_CONFLICT: there are DESTINATIONS_MAX. */
int destinations_put(struct store *s, const char *name, const json_t *settings, const json_t *probe,
	struct err *e);

/* Forget it; what is there stays.  ERR_NOT_FOUND. */
int destinations_delete(struct store *s, const char *name, struct err *e);

#endif
