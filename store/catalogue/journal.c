#include "store/catalogue/journal.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/rows.h"
#include "store/catalogue/state.h"

static const int64_t KEEP_KEYS_NS = INT64_C(24) * 3600 * 1000000000;

static int
put(struct connection *w, const char *id, int64_t created_ns, const char *state,
	const json_t *document, struct err *e)
{
	SCOPED(free_at) char *text = rows_text(document);
	const char *ended = json_string_value(json_object_get(document, "ended_at"));

	return statement_run(w, SQL_OPERATION_PUT, e, "tittt", id, created_ns, state, ended,
		       (const char *)text) < 0
		       ? -1
		       : 0;
}

int
journal_put(struct store *s, const char *id, int64_t created_ns, const char *state,
	const json_t *document, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL || put(w, id, created_ns, state, document, e) != 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

int
journal_get(struct store *s, const char *id, json_t **ret_document, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at)
	sqlite3_stmt *q = statement_bind(c, SQL_OPERATION_GET, e, "t", id);
	const int found = q == NULL ? -1 : statement_step(c, q, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no operation %s", id);
	json_t *document = rows_object(q, 0, e);
	if (document == NULL)
		return -1;
	*ret_document = document;
	return 0;
}

static json_t *
journal_document_of(sqlite3_stmt *s, struct err *e)
{
	return rows_object(s, 0, e);
}

int
journal_list(struct store *s, int limit, const char *after, json_t **ret_array, bool *ret_more,
	struct err *e)
{
	static const struct rows_listing listing = {
		.what = "operation",
		.get = SQL_OPERATION_GET,
		.created_column = 1,
		.seq_column = 2,
		.list = SQL_OPERATION_LIST,
		.row = journal_document_of,
	};

	return rows_list(s->catalogue, &listing, limit, after, ret_array, ret_more, e);
}

/* Turn one operation that was alive to `interrupted`: 1, 0 if there is none left, -1. */
static int
interrupt_one(struct connection *w, const char *now, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(w, SQL_OPERATION_ALIVE, e, "");
	const int found = s == NULL ? -1 : statement_step(w, s, e);

	if (found <= 0)
		return found;
	SCOPED(json_decref_at) json_t *document = rows_object(s, 2, e);
	if (document == NULL)
		return -1;
	SCOPED(free_at) char *id = mem_string((const char *)sqlite3_column_text(s, 0));
	const int64_t created_ns = sqlite3_column_int64(s, 1);
	(void)sqlite3_reset(s);
	(void)json_object_set_new(document, "state", json_string("interrupted"));
	(void)json_object_set_new(document, "ended_at", json_string(now));
	return put(w, id, created_ns, "interrupted", document, e) != 0 ? -1 : 1;
}

int
journal_interrupt(struct store *s, int64_t now_ns, int64_t older_ns, struct err *e)
{
	char now[CLOCK_TEXT_SIZE];
	char older[CLOCK_TEXT_SIZE];
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	int more = w == NULL ? -1 : 1;

	(void)clock_text(now_ns, now);
	while (more > 0)
		more = interrupt_one(w, now, e);
	/* times of this form sort as text */
	if (more < 0 ||
		statement_run(w, SQL_OPERATION_FORGET, e, "t", clock_text(older_ns, older)) < 0 ||
		statement_run(w, SQL_REQUEST_UNSTARTED_DROP, e, "") < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

/* What is known of ${key}: 1 with its operation, 0 if nothing, -1. */
static int
request_known(struct connection *w, const char *key, const char *digest, char **ret_operation,
	struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(w, SQL_REQUEST_GET, e, "t", key);
	const int found = s == NULL ? -1 : statement_step(w, s, e);

	if (found <= 0)
		return found;
	const char *known = (const char *)sqlite3_column_text(s, 0);
	const char *operation = (const char *)sqlite3_column_text(s, 1);
	if (known == NULL || strcmp(known, digest) != 0)
		return err_set(e, ERR_INVALID,
			"this Idempotency-Key was used with another body: choose a new one");
	if (operation == NULL)
		return err_set(e, ERR_BUSY,
			"the first request with this Idempotency-Key is still being started");
	*ret_operation = mem_string(operation);
	return 1;
}

int
journal_request(struct store *s, const char *key, const char *digest, int64_t now_ns,
	char **ret_operation, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL || statement_run(w, SQL_REQUEST_FORGET, e, "i", now_ns - KEEP_KEYS_NS) < 0)
		return -1;
	const int known = request_known(w, key, digest, ret_operation, e);
	if (known != 0)
		return known;
	if (statement_run(w, SQL_REQUEST_ADD, e, "tti", key, digest, now_ns) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

int
journal_request_done(struct store *s, const char *key, const char *operation, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	const int changed = operation == NULL
				    ? statement_run(w, SQL_REQUEST_DROP, e, "t", key)
				    : statement_run(w, SQL_REQUEST_DONE, e, "tt", key, operation);
	if (changed < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}
