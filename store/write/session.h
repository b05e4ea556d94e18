#ifndef STORE_WRITE_SESSION_H
#define STORE_WRITE_SESSION_H

#include <pthread.h>

#include "base/buf.h"
#include "store/catalogue/chunks.h"
#include "store/catalogue/pins.h"
#include "store/catalogue/totals.h"
#include "store/keys/keymap.h"
#include "store/packs/codec.h"
#include "store/packs/cutter.h"
#include "store/packs/packs.h"
#include "store/read/read_ahead.h"
#include "store/write/appender.h"
#include "store/write/compressor.h"
#include "store/write/ingest.h"

/* A kept segment or stream on its way into the catalogue; `recipe` is encoded. */
struct kept_segment {
	unsigned char key[KEY_SIZE];
	void *recipe;
	size_t len;
};

struct kept_stream {
	char *name;
	void *recipe;
	size_t len;
	int64_t bytes;
};

/* The inside of struct ingest, for the files that make up a session. */
struct ingest {
	struct store *store;
	struct ingest *next; /* in the store's list */
	struct connection *reader;
	struct codec *codec; /* for ids */
	struct compressor *compressor;
	struct appender *appender; /* NULL until something is new */
	struct pins pins;
	int64_t generation; /* of the store when the session was opened */
	int64_t looked;	    /* the generation when it was last asked for damage */
	bool damage;	    /* there is some: bad chunks are looked for, to heal them */

	/* The present stream (ingest.c). */
	bool streaming;
	struct cutter cutter;
	struct recipe stream;
	unsigned char *buffer; /* CHUNK_MAX bytes: of the chunk that is not yet cut */
	size_t buffered;
	void (*watch)(void *ctx, const void *data, size_t len);
	void *watch_ctx;
	struct read_ahead *ahead; /* of ingest_match; NULL until then */

	/*
	 * What is new and not yet in the catalogue (session.c): the first of ${pending} are in the
	 * pack, the others, as many as there are in the compressor, on their way to it.
	 */
	pthread_mutex_t mutex; /* guards what follows, up to stored_bytes */
	struct err failure;    /* code ERR_NONE until the session is poisoned */
	struct chunk *pending; /* PENDING_MAX; those appended are the appender's (appender.h) */
	size_t pending_count;
	struct keymap pending_ids;
	int64_t stored_bytes;

	struct pack *pack;     /* the appender's; NULL until something is new */
	size_t appended_count; /* the appender's */

	uint64_t number_next, number_end; /* numbers drawn from the store and not yet used */
	int64_t checkpoint_ns;		  /* time of the last one */

	/* Kept with the next checkpoint (segments.c). */
	struct kept_segment *segments;
	size_t segments_count, segments_room;
	struct keymap segment_keys;
	struct kept_stream *streams;
	size_t streams_count, streams_room;
	size_t kept_bytes;

	int64_t plain_bytes;
	struct totals totals; /* of the recipe that ingest_totals saw last */
};

/* A commit that rides on a checkpoint. */
struct completion {
	const char *id;
	const char *record;
	const void *recipe; /* encoded */
	size_t recipe_len;
	const struct totals *totals;
	int64_t pack, offset; /* of the recipe's record */
};

/* Store one chunk unless it is present; its number is pinned.  -1 poisons the session. */
int session_put(
	struct ingest *in, const void *data, size_t len, uint64_t *ret_number, struct err *e);

/**
 * session_record(in, r, frame, ret_offset, e):
 * (Appender, or the session's thread after appender_drain.)  Append any record to the session's
 * pack; session_room first sees to it that ${size} bytes of records find room in the present pack,
 * or makes another.
 */
int session_room(struct ingest *in, int64_t size, struct err *e);
int session_record(
	struct ingest *in, struct record *r, const void *frame, int64_t *ret_offset, struct err *e);

/* Append the frame of the oldest chunk that is on its way. */
int session_append(struct ingest *in, const void *frame, size_t frame_len, struct err *e);

/* Make all durable, then its rows, and with them the backup ${done} unless it is NULL. */
int session_checkpoint(struct ingest *in, const struct completion *done, struct err *e);

/**
 * session_fail(in, e), session_failure(in, e):
 * Remember the failure ${e}, unless there was one before; returns -1.  And whether there was one:
 * -1 with it, or 0.  By any thread.
 */
int session_fail(struct ingest *in, const struct err *e);
int session_failure(struct ingest *in, struct err *e);

#endif
