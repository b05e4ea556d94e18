#ifndef STORE_WRITE_INGEST_H
#define STORE_WRITE_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/format/chunk.h"
#include "store/format/recipe.h"

/*
 * Writing: one session puts plain bytes in and gets chunk numbers out.  What a session put, or
 * looked up and was given, is pinned until the session is closed: no sweep takes it.
 * A session belongs to one thread; several sessions may be open at once.
 *
 * Nothing that was put is a backup before ingest_commit has returned 0: that transaction is the
 * only commit point.  After an error of a write or a sync the session is poisoned: every further
 * call fails with the same error, and only ingest_close may follow.
 */
struct ingest;

struct store;

int ingest_open(struct store *s, struct ingest **ret_ingest, struct err *e);
void ingest_close(struct ingest *in);
void ingest_close_at(struct ingest **in);

/**
 * ingest_begin(in, cut), ingest_write(in, data, len, e), ingest_end(in, to, e):
 * One stream of content: cut as ${cut} says from its first byte, each chunk looked up by the
 * SHA-256 of its plain bytes and stored if it is new; ingest_end appends the stream's chunk
 * numbers to ${to}.  An empty stream appends nothing.  ingest_drop forgets a begun stream.
 * Errors: ERR_NO_SPACE, ERR_IO, ERR_CORRUPT (compression did not verify).
 */
void ingest_begin(struct ingest *in, enum cut cut);
int ingest_write(struct ingest *in, const void *data, size_t len, struct err *e);
int ingest_end(struct ingest *in, struct recipe *to, struct err *e);
void ingest_drop(struct ingest *in);

/* A file, and what an earlier version of it was stored as. */
struct ingest_match {
	const struct recipe *recipe; /* of the same cut, from ingest_find_segment or _earlier */
	int fd;
	int64_t size;					   /* bytes */
	int (*step)(void *ctx, size_t len, struct err *e); /* before ${len} bytes are put: 0, -1 */
	void *ctx;
};

/**
 * ingest_match(in, m, e):
 * At the beginning of a stream: put the first bytes of a file, which several threads compare with
 * the chunks of ${m->recipe}.  A chunk whose SHA-256 is the same takes the number that it has
 * there, without being cut or looked up; what is not is put as by ingest_write.  So the chunks need
 * not end where the cutter alone would end them; but with the recipe that came of it, and the same
 * bytes, the same recipe comes of it again.  A damaged chunk is healed.  Returns how many
 * bytes were put, fewer than all (0 where no comparison can be made): the caller goes on with
 * ingest_write behind them.  -1: errors of ingest_write, and of ${m->step}.
 */
int64_t ingest_match(struct ingest *in, const struct ingest_match *m, struct err *e);

/**
 * ingest_watch(in, chunk, ctx):
 * From now on ${chunk} is handed the plain bytes of each chunk that ingest_write, ingest_match and
 * ingest_end put, in order, whether it is new or not.  NULL: nobody is.
 */
void ingest_watch(
	struct ingest *in, void (*chunk)(void *ctx, const void *data, size_t len), void *ctx);

/**
 * ingest_find_segment(in, key, to, e), ingest_find_earlier(in, key, to, e),
 * ingest_keep_segment(in, key, recipe):
 * The segment cache: chunks by a key that stands for the content without reading it.  Find appends
 * the chunks to ${to} and returns 1, or 0 if the key is unknown or one of its chunks is gone or
 * damaged; -1 on error.  Find_earlier finds these, too: they are for ingest_match alone.  Find
 * writes nothing.  Keep takes effect with
 * the next checkpoint, in the same transaction as its chunks, and for this session's own
 * ingest_find_segment at once.
 */
int ingest_find_segment(
	struct ingest *in, const unsigned char key[KEY_SIZE], struct recipe *to, struct err *e);
int ingest_find_earlier(
	struct ingest *in, const unsigned char key[KEY_SIZE], struct recipe *to, struct err *e);
void ingest_keep_segment(
	struct ingest *in, const unsigned char key[KEY_SIZE], const struct recipe *recipe);

/**
 * ingest_find_stream(in, name, to, ret_bytes, e), ingest_keep_stream(in, name, recipe, bytes):
 * The same for whole named streams of known plain length (images, by id and tags).
 */
int ingest_find_stream(
	struct ingest *in, const char *name, struct recipe *to, int64_t *ret_bytes, struct err *e);
void ingest_keep_stream(
	struct ingest *in, const char *name, const struct recipe *recipe, int64_t bytes);

/**
 * ingest_same(in, a, b, e):
 * Whether two recipes stand for the same bytes cut in the same way: 1, 0, -1.  (Sessions side by
 * side may store the same chunk under two numbers.)  May checkpoint.
 */
int ingest_same(struct ingest *in, const struct recipe *a, const struct recipe *b, struct err *e);

/**
 * ingest_checkpoint(in, e):
 * Make everything put so far durable (fdatasync of the pack), then its rows (one transaction).
 * The session also does this by itself every 256 MiB or 5 s.
 */
int ingest_checkpoint(struct ingest *in, struct err *e);

/* Bytes appended to packs by this session so far, and plain bytes seen by it. */
int64_t ingest_stored_bytes(struct ingest *in);
int64_t ingest_plain_bytes(const struct ingest *in);

struct ingest_totals {
	int64_t size_bytes;	 /* plain */
	int64_t stored_bytes;	 /* appended by this session */
	int64_t archive_bytes;	 /* the download, with its seek table */
	char digest[2 * 32 + 1]; /* SHA-256 of the encoded recipe, hex */
};

/**
 * ingest_totals(in, recipe, ret_totals, e):
 * What a commit of ${recipe} would record.  Checkpoints first.
 */
int ingest_totals(struct ingest *in, const struct recipe *recipe, struct ingest_totals *ret_totals,
	struct err *e);

/**
 * ingest_commit(in, id, record, recipe, e):
 * Write ${recipe} and ${record} (the backup's JSON text) as a pack record, checkpoint, then in one
 * transaction turn the backup ${id} (made by backups_begin) to `complete` with that record, or to
 * `partial` if the record says `incomplete`.
 */
int ingest_commit(struct ingest *in, const char *id, const char *record,
	const struct recipe *recipe, struct err *e);

#endif
