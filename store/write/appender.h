#ifndef STORE_WRITE_APPENDER_H
#define STORE_WRITE_APPENDER_H

#include "base/err.h"

/*
 * The thread that takes a session's frames out of its compressor and appends them to packs, so that
 * the session's own thread reads, cuts and hashes while a pack is written, synced and left.
 *
 * Whose is what: while anything is on its way, the pack, what was appended and the catalogue's
 * writer are the appender's.  Once appender_drain has returned they are the session's, until the
 * session next puts something into the compressor.
 */
struct appender;
struct ingest;

/* It starts with the first chunk. */
int appender_start(struct ingest *in, struct err *e);

/* Wait until all that is on its way is appended.  -1: the session has failed. */
int appender_drain(struct ingest *in, struct err *e);

/* Let it end; what is on its way is dropped.  NULL is allowed. */
void appender_stop(struct ingest *in);

#endif
