#include "store/catalogue/damage.h"

#include "base/scope.h"

static void
damage_recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

static bool
damage_names(const void *data, size_t len, uint64_t number)
{
	SCOPED(damage_recipe_free_at) struct recipe r = RECIPE_INIT;
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
damage_backups_mark(struct connection *w, uint64_t number, int64_t *ret_backups, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(w, SQL_RECIPE_LIST, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(w, q, e)) > 0) {
		if (!damage_names(
			    sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), number))
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

	const int marked =
		statement_run(w, SQL_CHUNK_BAD, e, "ii", (int64_t)row->number, row->pack);

	if (marked <= 0) /* moved or healed since the row was read */
		return marked;
	if (statement_run(w, SQL_GENERATION_NEXT, e, "") < 0 ||
		damage_backups_mark(w, row->number, &backups, e) != 0 ||
		catalogue_commit(TAKE(w), e) != 0)
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

int
damage_of(struct connection *c, const void *recipe, size_t len, struct err *e)
{
	SCOPED(damage_recipe_free_at) struct recipe r = RECIPE_INIT;
	int good = 1;

	if (recipe_decode(recipe, len, &r, e) != 0)
		return 1;
	for (size_t i = 0; i < r.count && good == 1; i++)
		good = chunks_good(c, r.runs[i].first, r.runs[i].count, e);
	return good < 0 ? -1 : !good;
}

int
damage_any(struct connection *c, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_BACKUPS_DAMAGED, e, "");

	if (q == NULL || statement_step(c, q, e) < 0)
		return -1;
	return sqlite3_column_int(q, 0) != 0;
}

int
damage_settle(struct connection *w, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(w, SQL_RECIPE_DAMAGED, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(w, q, e)) > 0) {
		const int damaged = damage_of(
			w, sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), e);
		if (damaged < 0)
			return -1;
		if (damaged == 0 &&
			statement_run(w, SQL_BACKUP_DAMAGED, e, "ti",
				(const char *)sqlite3_column_text(q, 0), (int64_t)0) < 0)
			return -1;
	}
	return more;
}

int
damage_mend(struct store *s, const struct chunk *row, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL ||
		statement_run(w, SQL_CHUNK_MENDED, e, "ii", (int64_t)row->number, row->pack) < 0 ||
		damage_settle(w, e) != 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

/* Whether a run of the recipe has one of the ascending numbers. */
static bool
needs(const struct recipe *r, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < r->count; i++) {
		size_t low = 0;
		size_t high = count; /* the first that is not before the run */
		while (low < high) {
			const size_t middle = low + (high - low) / 2;
			if (numbers[middle] < r->runs[i].first)
				low = middle + 1;
			else
				high = middle;
		}
		if (low < count && numbers[low] - r->runs[i].first < r->runs[i].count)
			return true;
	}
	return false;
}

int
damage_backups(struct store *s, const uint64_t *numbers, size_t count, size_t max, json_t **ret_ids,
	int64_t *ret_total, struct err *e)
{
	SCOPED(json_decref_at) json_t *ids = json_array();
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_RECIPE_NEWEST, e, "");
	int more = q == NULL ? -1 : 1;

	*ret_total = 0;
	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		SCOPED(damage_recipe_free_at) struct recipe r = RECIPE_INIT;
		struct err ignored;
		if (recipe_decode(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), &r,
			    &ignored) == 0 &&
			!needs(&r, numbers, count))
			continue;
		if (json_array_size(ids) < max)
			(void)json_array_append_new(
				ids, json_string((const char *)sqlite3_column_text(q, 0)));
		(*ret_total)++;
	}
	if (more < 0)
		return -1;
	*ret_ids = TAKE(ids);
	return 0;
}
