#ifndef STORE_WRITE_OVERLAY_H
#define STORE_WRITE_OVERLAY_H

#include "store/write/ingest.h"

/*
 * A stream that is an earlier one of this session with some stretches replaced: chunks in which
 * nothing is replaced are used again, of the others what is left of them is read back.
 */
struct overlay_piece {
	int64_t offset;
	size_t len; /* 1 to OVERLAY_PIECE_MAX */
};

enum { OVERLAY_PIECE_MAX = 64 * 1024 };

struct overlay {
	const struct recipe *base; /* chunks that this session put or found, checkpointed */
	enum cut cut;
	int64_t size;			    /* of the new stream, bytes */
	const struct overlay_piece *pieces; /* ascending, apart from each other, within ${size} */
	size_t count;
	/* The bytes of piece ${i}. */
	int (*read)(void *ctx, size_t i, void *data, struct err *e);
	/* Before ${len} bytes are put: 0, -1 to stop. */
	int (*step)(void *ctx, size_t len, struct err *e);
	void *ctx;
};

/**
 * ingest_overlay(in, o, to, e):
 * Put the stream ${o} and append its chunks to ${to}; no stream may have begun.  What the base does
 * not reach must be covered by pieces.  0, -1: errors of ingest_write and of the callbacks,
 * ERR_CORRUPT if a chunk that has to be read back is damaged.
 */
int ingest_overlay(struct ingest *in, const struct overlay *o, struct recipe *to, struct err *e);

#endif
