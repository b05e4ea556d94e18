#include "store/catalogue/runs.h"

#include <string.h>

#include "base/scope.h"
#include "store/catalogue/state.h"

int
runs_get(struct store *s, const char *text, struct runs *ret_runs, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_RUNS_GET, e, "t", text);
	const int found = q == NULL ? -1 : statement_step(c, q, e);

	if (found == 1)
		*ret_runs = (struct runs){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)};
	return found;
}

int
runs_set(struct store *s, const char *text, const struct runs *runs, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL ||
		statement_run(w, SQL_RUNS_SET, e, "tii", text, runs->last_ns, runs->next_ns) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}
