#ifndef STORE_CATALOGUE_CATALOGUE_H
#define STORE_CATALOGUE_CATALOGUE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/catalogue/statements.h"
#include "store/keys/cipher.h"

/*
 * The SQLite database `catalogue.db`: WAL, synchronous=FULL.
 *
 * 1. There is one connection that writes, under one mutex, and it alone does checkpoints of the
 * WAL: SQLite before 3.51.3 can lose a commit when one connection commits while another resets the
 *    WAL (sqlite.org/wal.html#walresetbug).
 * 2. All others are query_only, never check-point, and hold no read transaction between calls.
 * 3. The schema's version is user_version; a newer one is refused.
 */
struct catalogue;

struct connection {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
	struct catalogue *of;
	struct connection *next;
};

/**
 * catalogue_open(path, cipher, ret_catalogue, e):
 * Open it, or make it.  Borrows ${cipher} (NULL: not encrypted), whose mark it must have
 * (application_id): ERR_DENIED.  Also ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NO_SPACE, ERR_IO.
 */
int catalogue_open(const char *path, const struct cipher *cipher, struct catalogue **ret_catalogue,
	struct err *e);
void catalogue_close(struct catalogue *c);

/* A reader out of the pool, and back.  One thread at a time uses it. */
struct connection *catalogue_reader(struct catalogue *c, struct err *e);
void catalogue_release_at(struct connection **reader);

/**
 * catalogue_begin(c, e), catalogue_commit(writer, e), catalogue_rollback_at(writer):
 * A transaction (BEGIN IMMEDIATE) on the one writer, whose mutex it holds until its end.  Commit
 * ends it either way; after -1 nothing of it is visible now, but if the disk failed at the wrong
 * moment it may yet be there after a crash.
 */
struct connection *catalogue_begin(struct catalogue *c, struct err *e);
int catalogue_commit(struct connection *writer, struct err *e);
void catalogue_rollback_at(struct connection **writer);

/* Move the WAL into the database and cut it to nothing, as far as readers let it. */
void catalogue_checkpoint(struct catalogue *c);

/* Fill ${e} from the connection's last error. */
int connection_error(struct connection *c, struct err *e);

/**
 * statement_bind(c, which, e, kinds, ...):
 * The statement ${which}, its parameters bound in order: `i` int64_t, `t` const char * (or NULL),
 * `b` const void * and size_t.  Text and blobs are borrowed until statement_done.  NULL on error.
 */
sqlite3_stmt *statement_bind(
	struct connection *c, enum statement which, struct err *e, const char *kinds, ...);

/* The next row: 1, 0 at the end, -1 on error. */
int statement_step(struct connection *c, sqlite3_stmt *s, struct err *e);

/* Ready for the next use; usable as SCOPED(statement_done_at). */
void statement_done_at(sqlite3_stmt **s);

/* Bind and run to the end.  Returns the number of rows changed, -1 on error. */
int statement_run(
	struct connection *c, enum statement which, struct err *e, const char *kinds, ...);

#endif
