#include "store/catalogue/figures.h"

#include <string.h>

#include "base/scope.h"
#include "store/catalogue/state.h"

static void
count(struct figures_backups *f, const char *state, int64_t damaged, int64_t number)
{
	int64_t *to = &f->failed;

	if (strcmp(state, "complete") == 0)
		to = &f->complete;
	else if (strcmp(state, "partial") == 0)
		to = &f->partial;
	else if (strcmp(state, "running") == 0)
		to = &f->running;
	*to += number;
	if (damaged != 0)
		f->damaged += number;
}

int
figures_backups(struct store *s, struct figures_backups *ret, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	struct figures_backups f = {0};
	int more;

	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_BACKUPS_COUNT, e, "");
	if (q == NULL)
		return -1;
	while ((more = statement_step(c, q, e)) == 1)
		count(&f, (const char *)sqlite3_column_text(q, 0), sqlite3_column_int64(q, 1),
			sqlite3_column_int64(q, 2));
	if (more < 0)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *sum = statement_bind(c, SQL_RECIPES_PLAIN, e, "");
	if (sum == NULL || statement_step(c, sum, e) < 0)
		return -1;
	f.plain_bytes = sqlite3_column_int64(sum, 0);
	*ret = f;
	return 0;
}

int
figures_chunks_bad(struct store *s, int64_t *ret_count, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);

	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_CHUNKS_BAD, e, "");
	if (q == NULL || statement_step(c, q, e) < 0)
		return -1;
	*ret_count = sqlite3_column_int64(q, 0);
	return 0;
}
