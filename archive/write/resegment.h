#ifndef ARCHIVE_WRITE_RESEGMENT_H
#define ARCHIVE_WRITE_RESEGMENT_H

#include "archive/tar/member.h"
#include "archive/write/segments.h"
#include "base/err.h"

/*
 * The tar bytes of trees that come as a stream, cut into the segments that segments_walk would make
 * of them (segment_rules.h), without their keys.
 *
 *	for each member:  resegment_member, resegment_data (content), resegment_data (padding)
 *	at the end of each tree:  resegment_end
 *
 * Memory: one run.
 */
struct resegment;

struct resegment_sink {
	/* A segment: begin, its bytes in pieces, end. ${whole}: a run that fits into a chunk. */
	int (*begin)(void *ctx, enum segment_kind kind, bool whole, struct err *e);
	int (*data)(void *ctx, const void *data, size_t len, struct err *e);
	int (*end)(void *ctx, struct err *e);
	void *ctx;
};

struct resegment *resegment_new(const struct resegment_sink *sink);
void resegment_free_at(struct resegment **r);

/* The next member, whose headers (and map) are the ${len} bytes at ${header}. */
int resegment_member(
	struct resegment *r, const struct member *m, const void *header, size_t len, struct err *e);

/* More bytes of the present member. */
int resegment_data(struct resegment *r, const void *data, size_t len, struct err *e);

int resegment_end(struct resegment *r, struct err *e);

#endif
