#include "store/catalogue/rows.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/scope.h"

char *
rows_text(const json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT);

	if (text == NULL)
		abort(); /* out of memory */
	return text;
}

const char *
rows_state(const char *record)
{
	SCOPED(json_decref_at) json_t *document = json_loads(record, 0, NULL);

	return json_is_true(json_object_get(document, "incomplete")) ? "partial" : "complete";
}

json_t *
rows_object(sqlite3_stmt *s, int column, struct err *e)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	json_t *document = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(document))
		return document;
	json_decref(document);
	(void)err_set(e, ERR_CORRUPT, "the catalogue holds no valid document there");
	return NULL;
}

/* The place of a row in the list. */
struct rows_place {
	int64_t seq, created_ns;
};

static int
rows_place_of(struct connection *c, const struct rows_listing *l, const char *id,
	struct rows_place *ret_place, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(c, l->get, e, "t", id);
	const int found = s == NULL ? -1 : statement_step(c, s, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_INVALID,
			"there is no %s %s to go on after: start again at the first page", l->what,
			id);
	*ret_place = (struct rows_place){
		sqlite3_column_int64(s, l->seq_column), sqlite3_column_int64(s, l->created_column)};
	return 0;
}

int
rows_list(struct catalogue *catalogue, const struct rows_listing *l, int limit, const char *after,
	json_t **ret_array, bool *ret_more, struct err *e)
{
	struct rows_place at = {INT64_MAX, INT64_MAX};
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(catalogue, e);

	assert(limit > 0);
	if (c == NULL || (after != NULL && rows_place_of(c, l, after, &at, e) != 0))
		return -1;
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, l->list, e, "iiti", at.seq, at.created_ns,
		after == NULL ? "" : after, (int64_t)limit + 1);
	SCOPED(json_decref_at) json_t *array = json_array();
	int more = s == NULL ? -1 : 1;
	while (more > 0 && (more = statement_step(c, s, e)) > 0) {
		if (json_array_size(array) == (size_t)limit)
			break;
		json_t *row = l->row(s, e);
		if (row == NULL)
			return -1;
		(void)json_array_append_new(array, row);
	}
	if (more < 0)
		return -1;
	*ret_more = more > 0;
	*ret_array = TAKE(array);
	return 0;
}
