#include "store/damage.h"

#include "base/scope.h"

static void
recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

static bool
names(const void *data, size_t len, uint64_t number)
{
	SCOPED(recipe_free_at) struct recipe r = RECIPE_INIT;
	struct err ignored;

	if (recipe_decode(data, len, &r, &ignored) != 0)
		return true; /* it cannot be read back either */
	for (size_t i = 0; i < r.count; i++) {
		if (number - r.runs[i].first < r.runs[i].count)
			return true;
	}
	return false;
}

static int
backups_mark(struct connection *w, uint64_t number, int64_t *ret_backups, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(w, SQL_RECIPE_LIST, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(w, q, e)) > 0) {
		if (!names(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), number))
			continue;
		if (statement_run(w, SQL_BACKUP_DAMAGED, e, "ti",
			    (const char *)sqlite3_column_text(q, 0), (int64_t)1) < 0)
			return -1;
		(*ret_backups)++;
	}
	return more;
}

static int
chunk_mark(struct store *s, struct connection *writer, const struct chunk *row,
	int64_t *ret_backups, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = writer;
	int64_t backups = 0;

	if (statement_run(w, SQL_CHUNK_BAD, e, "ii", (int64_t)row->number, row->pack) < 0 ||
		statement_run(w, SQL_GENERATION_NEXT, e, "") < 0 ||
		backups_mark(w, row->number, &backups, e) != 0 || catalogue_commit(TAKE(w), e) != 0)
		return -1;
	atomic_fetch_add(&s->generation, 1);
	*ret_backups += backups;
	return 0;
}

int
damage_note(struct store *s, const struct chunk *row, int64_t *ret_backups, struct err *e)
{
	struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	(void)pthread_rwlock_wrlock(&s->lookup);
	const int result = chunk_mark(s, w, row, ret_backups, e);
	(void)pthread_rwlock_unlock(&s->lookup);
	return result;
}
