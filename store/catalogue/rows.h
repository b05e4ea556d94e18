#ifndef STORE_CATALOGUE_ROWS_H
#define STORE_CATALOGUE_ROWS_H

#include <jansson.h>
#include <stdbool.h>

#include "store/catalogue/catalogue.h"

/* Rows that hold a JSON document and are listed newest first. */

/* The document as compact text; the caller's. */
char *rows_text(const json_t *document);

/* The state of a backup that is stored, by its record: `partial` if that says `incomplete`, which
 * is how it stands in the packs; else `complete`. */
const char *rows_state(const char *record);

/* The JSON object in ${column}; NULL with ERR_CORRUPT. */
json_t *rows_object(sqlite3_stmt *s, int column, struct err *e);

struct rows_listing {
	const char *what;   /* for messages */
	enum statement get; /* by id; has created_ns in ${created_column}, seq in ${seq_column} */
	int created_column, seq_column;
	enum statement list; /* before (seq, created_ns, id), newest first, up to a count */
	json_t *(*row)(sqlite3_stmt *s, struct err *e);
};

/**
 * rows_list(c, listing, limit, after, ret_array, ret_more, e):
 * As backups_list in backups.h.  ERR_INVALID: ${after} is not on the list.
 */
int rows_list(struct catalogue *c, const struct rows_listing *listing, int limit, const char *after,
	json_t **ret_array, bool *ret_more, struct err *e);

#endif
