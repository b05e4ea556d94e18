#include "store/catalogue/backups.h"

#include <string.h>

#include "base/clock.h"
#include "base/scope.h"
#include "store/catalogue/reserve.h"
#include "store/catalogue/rows.h"
#include "store/catalogue/state.h"

bool
backups_readable(const char *state)
{
	return state != NULL && (strcmp(state, "complete") == 0 || strcmp(state, "partial") == 0);
}

static int
begun(struct connection **w, int added, const char *id, struct err *e)
{
	if (added < 0)
		return -1;
	if (added == 0)
		return err_set(e, ERR_CONFLICT, "there is already a backup %s", id);
	return catalogue_commit(TAKE(*w), e);
}

int
backups_begin(
	struct store *s, const char *id, int64_t created_ns, const json_t *record, struct err *e)
{
	SCOPED(free_at) char *text = rows_text(record);
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	return begun(&w, statement_run(w, SQL_BACKUP_ADD, e, "tit", id, created_ns, text), id, e);
}

int
backups_begin_old(struct store *s, const char *id, int64_t created_ns, int64_t now_ns,
	const json_t *record, struct err *e)
{
	SCOPED(free_at) char *text = rows_text(record);
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	return begun(&w,
		statement_run(w, SQL_BACKUP_ADD_OLD, e, "titi", id, created_ns, text, now_ns), id,
		e);
}

bool
backups_in_future(int64_t created_ns, int64_t now_ns)
{
	return created_ns > now_ns + BACKUPS_SLACK_NS;
}

/* ${text}: NULL: the row is dropped. */
static int
fail_once(struct store *s, const char *id, const char *text, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	int changed;

	if (w == NULL)
		return -1;
	if (text != NULL)
		changed = statement_run(w, SQL_BACKUP_FINISH, e, "ttt", id, "failed", text);
	else
		changed = statement_run(w, SQL_BACKUP_DROP, e, "ti", id, (int64_t)1);
	if (changed < 0)
		return -1;
	if (changed == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no running backup %s", id);
	return catalogue_commit(TAKE(w), e);
}

/* A full disk is why many a backup fails. */
int
backups_fail(struct store *s, const char *id, const json_t *record, struct err *e)
{
	SCOPED(free_at) char *text = record == NULL ? NULL : rows_text(record);
	int status = fail_once(s, id, text, e);

	if (status != 0 && e->code == ERR_NO_SPACE && reserve_give(s)) {
		catalogue_checkpoint(s->catalogue); /* its log is then empty again */
		status = fail_once(s, id, text, e);
		reserve_make(s);
	}
	return status;
}

/* The last verdict, or null, and since when the backup is proven, or null. */
static int
add_rehearsal(sqlite3_stmt *s, json_t *record, struct err *e)
{
	json_t *verdict = json_null();
	const char *word;

	if (sqlite3_column_type(s, 7) != SQLITE_NULL && (verdict = rows_object(s, 7, e)) == NULL)
		return -1;
	word = json_string_value(json_object_get(verdict, "verdict"));
	(void)json_object_set(record, "proven_at",
		word != NULL && strcmp(word, "proven") == 0 ? json_object_get(verdict, "at")
							    : json_null());
	return json_object_set_new(record, "rehearsal", verdict);
}

/* Columns of SQL_BACKUP_GET and SQL_BACKUP_LIST. */
static json_t *
record_of(sqlite3_stmt *s, struct err *e)
{
	char created[CLOCK_TEXT_SIZE], verified[CLOCK_TEXT_SIZE];
	json_t *record = rows_object(s, 3, e);

	if (record == NULL)
		return NULL;
	(void)clock_text(sqlite3_column_int64(s, 2), created);
	(void)json_object_set_new(
		record, "id", json_string((const char *)sqlite3_column_text(s, 0)));
	(void)json_object_set_new(
		record, "state", json_string((const char *)sqlite3_column_text(s, 1)));
	(void)json_object_set_new(record, "created_at", json_string(created));
	const unsigned char *name = sqlite3_column_text(s, 6);
	(void)json_object_set_new(record, "locked", json_boolean(sqlite3_column_int(s, 5) != 0));
	(void)json_object_set_new(
		record, "name", name == NULL ? json_null() : json_string((const char *)name));
	(void)json_object_set_new(record, "verified_at",
		sqlite3_column_type(s, 8) == SQLITE_NULL
			? json_null()
			: json_string(clock_text(sqlite3_column_int64(s, 8), verified)));
	if (sqlite3_column_int(s, 4) != 0)
		(void)json_object_set_new(record, "damaged", json_true());
	if (json_object_get(record, "origin") == NULL) /* made before there was this field */
		(void)json_object_set_new(record, "origin",
			json_string(
				json_object_get(record, "imported") != NULL ? "import" : "manual"));
	if (backups_in_future(sqlite3_column_int64(s, 2), clock_real_ns()))
		(void)json_object_set_new(record, "future", json_true());
	if (add_rehearsal(s, record, e) != 0) {
		json_decref(record);
		return NULL;
	}
	return record;
}

/* The same without what a rehearsal saw. */
static json_t *
short_record_of(sqlite3_stmt *s, struct err *e)
{
	json_t *record = record_of(s, e);
	const json_t *whole = json_object_get(record, "rehearsal");

	if (json_is_object(whole))
		(void)json_object_set_new(record, "rehearsal",
			json_pack("{s:O?, s:O?}", "verdict", json_object_get(whole, "verdict"),
				"at", json_object_get(whole, "at")));
	return record;
}

int
backups_get(struct store *s, const char *id, json_t **ret_record, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_BACKUP_GET, e, "t", id);
	const int found = q == NULL ? -1 : statement_step(c, q, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no backup %s", id);
	json_t *record = record_of(q, e);
	if (record == NULL)
		return err_prefix(e, "the backup %s", id);
	*ret_record = record;
	return 0;
}

int
backups_list(struct store *s, int limit, const char *after, json_t **ret_array, bool *ret_more,
	struct err *e)
{
	static const struct rows_listing listing = {
		.what = "backup",
		.get = SQL_BACKUP_GET,
		.created_column = 2,
		.seq_column = 9,
		.list = SQL_BACKUP_LIST,
		.row = short_record_of,
	};

	return rows_list(s->catalogue, &listing, limit, after, ret_array, ret_more, e);
}

/* The row of a backup that does not run, by ${statement}, and what goes with it: how many rows. */
static int
backups_rows_drop(struct connection *w, enum statement statement, const char *id, struct err *e)
{
	/* the deletion's name has the backup's time */
	if (statement_run(w, SQL_DELETION_ADD, e, "t", id) < 0)
		return -1;
	const int dropped = statement == SQL_BACKUP_PRUNE
				    ? statement_run(w, statement, e, "t", id)
				    : statement_run(w, statement, e, "ti", id, (int64_t)0);

	if (dropped <= 0)
		return dropped;
	return statement_run(w, SQL_RECIPE_DROP, e, "t", id) < 0 ? -1 : dropped;
}

static int
delete_once(struct store *s, const char *id, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	const int dropped = w == NULL ? -1 : backups_rows_drop(w, SQL_BACKUP_DROP, id, e);

	if (dropped <= 0)
		return dropped < 0 ? -1 : 1;
	return catalogue_commit(TAKE(w), e);
}

int
backups_delete(struct store *s, const char *id, struct err *e)
{
	json_t *record = NULL;

	int result = delete_once(s, id, e);
	if (result < 0 && e->code == ERR_NO_SPACE && reserve_give(s)) {
		catalogue_checkpoint(s->catalogue); /* its log is then empty again */
		result = delete_once(s, id, e);
	}
	if (result < 0)
		return -1;
	reserve_make(s);
	if (result == 0)
		return 0;
	if (backups_get(s, id, &record, e) != 0)
		return -1;
	const bool locked = json_is_true(json_object_get(record, "locked"));
	json_decref(record);
	if (locked)
		return err_set(e, ERR_CONFLICT,
			"the backup %s is locked: unlock it first, by `dockerctl unlock` or PATCH "
			"{\"locked\": false}",
			id);
	return err_set(e, ERR_CONFLICT, "the backup %s is running: cancel it instead", id);
}

bool
backups_being_read(struct store *s, const char *id)
{
	LOCKED(&s->mutex);
	const struct lease *l = s->leases.next;

	while (l != &s->leases && strcmp(l->backup, id) != 0)
		l = l->next;
	return l != &s->leases;
}

/* With the look-up lock held exclusively nobody begins to read. */
static int
prune_judged(struct store *s, struct connection *writer, const char *id, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = writer;
	const int dropped =
		backups_being_read(s, id) ? 0 : backups_rows_drop(w, SQL_BACKUP_PRUNE, id, e);

	if (dropped <= 0)
		return dropped;
	return catalogue_commit(TAKE(w), e) != 0 ? -1 : 1;
}

static int
prune_once(struct store *s, const char *id, struct err *e)
{
	/* first the writer: others' transactions are not waited for with the lock held */
	struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	(void)pthread_rwlock_wrlock(&s->lookup);
	const int result = prune_judged(s, w, id, e);
	(void)pthread_rwlock_unlock(&s->lookup);
	return result;
}

int
backups_prune(struct store *s, const char *id, struct err *e)
{
	int result = prune_once(s, id, e);

	if (result < 0 && e->code == ERR_NO_SPACE && reserve_give(s)) {
		catalogue_checkpoint(s->catalogue); /* its log is then empty again */
		result = prune_once(s, id, e);
		reserve_make(s);
	}
	return result;
}

/* Commit what ${changed} rows of the backup ${id} were: one, none, or -1 for a failure. */
static int
commit_change(struct connection **w, int changed, const char *id, struct err *e)
{
	if (changed < 0)
		return -1;
	if (changed == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no backup %s", id);
	return catalogue_commit(TAKE(*w), e);
}

int
backups_change(struct store *s, const char *id, const struct backups_change *change, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	const int changed =
		w == NULL ? -1
			  : statement_run(w, SQL_BACKUP_CHANGE, e, "tiit", id,
				    (int64_t)change->locked, (int64_t)change->named, change->name);

	return commit_change(&w, changed, id, e);
}

int
backups_rehearsed(struct store *s, const char *id, const json_t *verdict, struct err *e)
{
	SCOPED(free_at) char *text = rows_text(verdict);
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	const int changed =
		w == NULL ? -1 : statement_run(w, SQL_BACKUP_REHEARSED, e, "tt", id, text);

	return commit_change(&w, changed, id, e);
}

int
backups_verified(struct store *s, const char *id, int64_t verified_ns, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);
	const int changed =
		w == NULL ? -1 : statement_run(w, SQL_BACKUP_VERIFIED, e, "ti", id, verified_ns);

	return commit_change(&w, changed, id, e);
}
