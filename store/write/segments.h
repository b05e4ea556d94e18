#ifndef STORE_WRITE_SEGMENTS_H
#define STORE_WRITE_SEGMENTS_H

#include "store/write/session.h"

/*
 * The caches of segments and streams: chunks by a key, without reading the content.
 * A row carries the store's generation of the time its session was opened.  The generation goes up
 * whenever a chunk is removed or found bad (while the look-up lock is held exclusively); a row of
 * the present generation is therefore good as it is, any other is believed only after its chunks'
 * rows have been counted.
 */

/* See ingest.h; the session is not poisoned and the caller handles a failure.  ${hint}: what it
 * finds is looked at chunk by chunk, so that bad and missing ones do not matter. */
int segments_find(struct ingest *in, const unsigned char key[KEY_SIZE], bool hint,
	struct recipe *to, struct err *e);
void segments_keep(
	struct ingest *in, const unsigned char key[KEY_SIZE], const struct recipe *recipe);
int segments_find_stream(
	struct ingest *in, const char *name, struct recipe *to, int64_t *ret_bytes, struct err *e);
void segments_keep_stream(
	struct ingest *in, const char *name, const struct recipe *recipe, int64_t bytes);

/* ingest_same of recipes with as many chunks, all of which have rows. */
int segments_same(struct ingest *in, const struct recipe *a, const struct recipe *b, struct err *e);

/* Write what was kept, in the caller's transaction; forget it, once that is committed. */
int segments_write(struct ingest *in, struct connection *w, struct err *e);
void segments_clear(struct ingest *in);

#endif
