#ifndef ARCHIVE_RECUT_H
#define ARCHIVE_RECUT_H

#include "archive/tar/member.h"
#include "archive/write/segments.h"
#include "base/err.h"

/*
 * The tar bytes of trees that come as a stream, cut into the segments that segments_walk would make
 * of them (cuts.h), without their keys.
 *
 *	for each member:  recut_member, recut_data (content), recut_data (padding)
 *	at the end of each tree:  recut_end
 *
 * Memory: one run.
 */
struct recut;

struct recut_sink {
	/* A segment: begin, its bytes in pieces, end. ${whole}: a run that fits into a chunk. */
	int (*begin)(void *ctx, enum segment_kind kind, bool whole, struct err *e);
	int (*data)(void *ctx, const void *data, size_t len, struct err *e);
	int (*end)(void *ctx, struct err *e);
	void *ctx;
};

struct recut *recut_new(const struct recut_sink *sink);
void recut_free_at(struct recut **r);

/* The next member, whose headers (and map) are the ${len} bytes at ${header}. */
int recut_member(
	struct recut *r, const struct member *m, const void *header, size_t len, struct err *e);

/* More bytes of the present member. */
int recut_data(struct recut *r, const void *data, size_t len, struct err *e);

int recut_end(struct recut *r, struct err *e);

#endif
