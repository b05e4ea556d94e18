#ifndef STORE_CATALOGUE_JOURNAL_H
#define STORE_CATALOGUE_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store;

/*
 * The catalogue's rows of operations and of replayed requests (Idempotency-Key).  Thread-safe.
 */

/* Insert or replace the operation ${id}; ${document} has the fields of the API. */
int journal_put(struct store *s, const char *id, int64_t created_ns, const char *state,
	const json_t *document, struct err *e);
int journal_get(struct store *s, const char *id, json_t **ret_document, struct err *e);
int journal_list(struct store *s, int limit, const char *after, json_t **ret_array, bool *ret_more,
	struct err *e);

/* Turn operations in ${states} `queued` and `running` to `interrupted` (at start-up), setting
 * "state" and "ended_at" in their documents; forget those ended before ${older_ns}. */
int journal_interrupt(struct store *s, int64_t now_ns, int64_t older_ns, struct err *e);

/**
 * journal_request(s, key, digest, now_ns, ret_operation, e):
 * Note that a request with ${key} and the body's ${digest} (hex) is being carried out.  Returns 0
 * if it is new; 1 if the same request started the operation ${ret_operation} (the caller's to
 * free); -1 with ERR_INVALID if the key was used with another body, ERR_BUSY if the first is still
 * being started.  Keys are kept for 24 hours.
 */
int journal_request(struct store *s, const char *key, const char *digest, int64_t now_ns,
	char **ret_operation, struct err *e);
/* The request's outcome: its operation, or NULL to forget the key (it failed). */
int journal_request_done(struct store *s, const char *key, const char *operation, struct err *e);

#endif
