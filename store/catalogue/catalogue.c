#include "store/catalogue/catalogue.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/column_cipher.h"

struct catalogue {
	char *path;
	const struct cipher *cipher;
	pthread_mutex_t writing; /* held from catalogue_begin to its end */
	struct connection *writer;
	pthread_mutex_t pool; /* guards the next two */
	struct connection *idle;
	int idle_count;
};

/* Idle readers beyond this are closed. */
enum { IDLE_MAX = 4 };

/* Nobody but this process has the database open, so waiting is for the start of the WAL only. */
enum { BUSY_MS = 5000 };

/*
 * cache_size is in KiB: 8 MiB hold the inner pages of the index of 100 million chunks.  The WAL
 * is moved over every 1000 pages (4 MiB) and cut back to 16 MiB if a reader let it grow.
 */
static const char WRITER_SETUP[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;"
	"PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=16777216;"
	"PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";
static const char READER_SETUP[] = "PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0;"
				   "PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF;";

int
connection_error(struct connection *c, struct err *e)
{
	const int code = sqlite3_extended_errcode(c->db);
	const int number = sqlite3_system_errno(c->db);
	enum err_code to = ERR_INTERNAL;

	if ((code & 0xFF) == SQLITE_FULL)
		to = ERR_NO_SPACE;
	else if ((code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB)
		to = ERR_CORRUPT;
	else if ((code & 0xFF) == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT))
		to = ERR_NO_SPACE;
	else if ((code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN ||
		 (code & 0xFF) == SQLITE_READONLY)
		to = ERR_IO;
	return err_set(e, to, "the catalogue: %s (SQLite %d)", sqlite3_errmsg(c->db), code);
}

static int
execute(struct connection *c, const char *sql, struct err *e)
{
	if (sqlite3_exec(c->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return connection_error(c, e);
	return 0;
}

static void
connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		(void)sqlite3_finalize(c->statements[i]);
	(void)sqlite3_close(c->db);
	free(c);
}

static void
connection_close_at(struct connection **c)
{
	connection_close(*c);
}

static struct connection *
connection_open(struct catalogue *of, int flags, const char *setup, struct err *e)
{
	SCOPED(connection_close_at) struct connection *c = mem_new(sizeof(*c));

	c->of = of;
	const int code = sqlite3_open_v2(of->path, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (c->db == NULL)
		abort(); /* out of memory */
	if (code != SQLITE_OK) {
		(void)connection_error(c, e);
		return NULL;
	}
	(void)sqlite3_extended_result_codes(c->db, 1);
	(void)sqlite3_busy_timeout(c->db, BUSY_MS);
	if (column_cipher_register(c->db, of->cipher) != 0) {
		(void)connection_error(c, e);
		return NULL;
	}
	if (execute(c, setup, e) != 0)
		return NULL;
	return TAKE(c);
}

static int
number_of(struct connection *c, const char *sql, int64_t *ret_number, struct err *e)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v2(c->db, sql, -1, &s, NULL) != SQLITE_OK ||
		sqlite3_step(s) != SQLITE_ROW) {
		(void)connection_error(c, e);
		(void)sqlite3_finalize(s);
		return -1;
	}
	*ret_number = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	return 0;
}

static int
steps_take(struct connection *c, int64_t version, struct err *e)
{
	SCOPED(free_at)
	char *note = mem_format("PRAGMA user_version=%d; PRAGMA application_id=%d",
		CATALOGUE_VERSION, cipher_catalogue(c->of->cipher));

	for (int64_t step = version < 0 ? 0 : version; step < CATALOGUE_VERSION; step++) {
		if (execute(c, catalogue_steps[step], e) != 0)
			return -1;
	}
	return execute(c, note, e);
}

/* Whether it was made with these keys, or none: an empty one was made with any. */
static int
keys_check(struct connection *c, int64_t version, struct err *e)
{
	int64_t mark = 0;

	if (number_of(c, "PRAGMA application_id", &mark, e) != 0)
		return -1;
	if (version == 0 || mark == cipher_catalogue(c->of->cipher))
		return 0;
	if (c->of->cipher == NULL)
		return err_set(e, ERR_DENIED,
			"the store is encrypted and its file `keys` is gone: put a copy of it "
			"back");
	return err_set(e, ERR_DENIED,
		mark == 0 ? "the store is not encrypted, but there is a file `keys`: take it away"
			  : "the file `keys` is another store's: put the right one back");
}

/* Make the tables of an empty catalogue, bring an older one up, or refuse one that is not ours to
 * write. */
static int
schema_settle(struct connection *c, struct err *e)
{
	int64_t version = 0;

	if (number_of(c, "PRAGMA user_version", &version, e) != 0)
		return -1;
	if (version > CATALOGUE_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			"the catalogue has version %lld and this program knows %d: use the newer "
			"program that made it",
			(long long)version, CATALOGUE_VERSION);
	if (keys_check(c, version, e) != 0)
		return -1;
	if (version == CATALOGUE_VERSION)
		return 0;
	if (execute(c, "BEGIN IMMEDIATE", e) != 0)
		return -1;
	if (steps_take(c, version, e) != 0) {
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return execute(c, "COMMIT", e);
}

static void
catalogue_close_at(struct catalogue **c)
{
	if (*c != NULL)
		catalogue_close(*c);
}

int
catalogue_open(const char *path, const struct cipher *cipher, struct catalogue **ret_catalogue,
	struct err *e)
{
	SCOPED(catalogue_close_at) struct catalogue *c = mem_new(sizeof(*c));

	c->path = mem_string(path);
	c->cipher = cipher;
	(void)pthread_mutex_init(&c->writing, NULL);
	(void)pthread_mutex_init(&c->pool, NULL);
	c->writer = connection_open(c, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, WRITER_SETUP, e);
	if (c->writer == NULL || schema_settle(c->writer, e) != 0)
		return err_prefix(e, "%s", path);
	*ret_catalogue = TAKE(c);
	return 0;
}

void
catalogue_close(struct catalogue *c)
{
	while (c->idle != NULL) {
		struct connection *next = c->idle->next;
		connection_close(c->idle);
		c->idle = next;
	}
	if (c->writer != NULL)
		catalogue_checkpoint(c);
	connection_close(c->writer);
	(void)pthread_mutex_destroy(&c->writing);
	(void)pthread_mutex_destroy(&c->pool);
	free(c->path);
	free(c);
}

struct connection *
catalogue_reader(struct catalogue *c, struct err *e)
{
	{
		LOCKED(&c->pool);
		struct connection *reader = c->idle;
		if (reader != NULL) {
			c->idle = reader->next;
			c->idle_count--;
			return reader;
		}
	}
	struct connection *reader = connection_open(c, SQLITE_OPEN_READWRITE, READER_SETUP, e);
	if (reader != NULL)
		(void)sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return reader;
}

void
catalogue_release_at(struct connection **reader)
{
	struct connection *r = *reader;

	if (r == NULL)
		return;
	struct catalogue *c = r->of;
	LOCKED(&c->pool);
	if (c->idle_count >= IDLE_MAX) {
		connection_close(r);
		return;
	}
	r->next = c->idle;
	c->idle = r;
	c->idle_count++;
}

struct connection *
catalogue_begin(struct catalogue *c, struct err *e)
{
	(void)pthread_mutex_lock(&c->writing);
	if (statement_run(c->writer, SQL_BEGIN, e, "") >= 0)
		return c->writer;
	(void)pthread_mutex_unlock(&c->writing);
	return NULL;
}

static void
roll_back(struct connection *writer)
{
	struct err ignored;

	if (sqlite3_get_autocommit(writer->db) == 0)
		(void)statement_run(writer, SQL_ROLLBACK, &ignored, "");
}

int
catalogue_commit(struct connection *writer, struct err *e)
{
	const int result = statement_run(writer, SQL_COMMIT, e, "");

	if (result < 0)
		roll_back(writer);
	(void)pthread_mutex_unlock(&writer->of->writing);
	return result < 0 ? -1 : 0;
}

void
catalogue_rollback_at(struct connection **writer)
{
	if (*writer == NULL)
		return;
	roll_back(*writer);
	(void)pthread_mutex_unlock(&(*writer)->of->writing);
}

void
catalogue_checkpoint(struct catalogue *c)
{
	LOCKED(&c->writing);
	(void)sqlite3_wal_checkpoint_v2(
		c->writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int
bind_one(sqlite3_stmt *s, int at, char kind, va_list *args)
{
	if (kind == 'i')
		return sqlite3_bind_int64(s, at, va_arg(*args, int64_t));
	if (kind == 't')
		return sqlite3_bind_text(s, at, va_arg(*args, const char *), -1, SQLITE_STATIC);
	const void *data = va_arg(*args, const void *);
	const size_t len = va_arg(*args, size_t);
	/* a blob from NULL would be the value NULL */
	return sqlite3_bind_blob64(s, at, len == 0 ? "" : data, len, SQLITE_STATIC);
}

static sqlite3_stmt *
bind_all(
	struct connection *c, enum statement which, struct err *e, const char *kinds, va_list *args)
{
	sqlite3_stmt **s = &c->statements[which];

	if (*s == NULL && sqlite3_prepare_v3(c->db, statement_texts[which], -1,
				  SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) {
		(void)connection_error(c, e);
		return NULL;
	}
	for (int i = 0; kinds[i] != '\0'; i++) {
		if (bind_one(*s, i + 1, kinds[i], args) != SQLITE_OK) {
			(void)connection_error(c, e);
			return NULL;
		}
	}
	return *s;
}

sqlite3_stmt *
statement_bind(struct connection *c, enum statement which, struct err *e, const char *kinds, ...)
{
	va_list args;

	va_start(args, kinds);
	sqlite3_stmt *s = bind_all(c, which, e, kinds, &args);
	va_end(args);
	return s;
}

int
statement_step(struct connection *c, sqlite3_stmt *s, struct err *e)
{
	const int code = sqlite3_step(s);

	if (code == SQLITE_ROW)
		return 1;
	return code == SQLITE_DONE ? 0 : connection_error(c, e);
}

void
statement_done_at(sqlite3_stmt **s)
{
	if (*s == NULL)
		return;
	(void)sqlite3_reset(*s);
	(void)sqlite3_clear_bindings(*s);
}

int
statement_run(struct connection *c, enum statement which, struct err *e, const char *kinds, ...)
{
	va_list args;

	va_start(args, kinds);
	SCOPED(statement_done_at) sqlite3_stmt *s = bind_all(c, which, e, kinds, &args);
	va_end(args);
	if (s == NULL)
		return -1;
	int more = 1;
	while (more > 0)
		more = statement_step(c, s, e);
	return more < 0 ? -1 : sqlite3_changes(c->db);
}
