#ifndef ARCHIVE_INTAKE_H
#define ARCHIVE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/stream.h"

/* A source with a buffer in front, for a reader that looks at what comes. */
struct intake {
	struct source source;
	char *data; /* [at, len) is unread */
	size_t at, len;
	bool ended;
	int64_t fetched; /* bytes of the source that came, or were left out */
	/* May be NULL.  Leave out the next ${len} bytes of the source, whose ctx it is given. */
	int (*skip)(void *ctx, int64_t len, struct err *e);
	struct sink tap; /* handed what is gone past; .write may be NULL */
};

void intake_init(struct intake *in, struct source source);
void intake_free(struct intake *in);

/* Have at least one unread byte.  Returns 1, 0 at the end of the source, -1. */
int intake_fetch(struct intake *in, struct err *e);

/* How many bytes of the source have been gone past. */
int64_t intake_place(const struct intake *in);
/* Go past ${len} bytes that have been fetched. */
int intake_pass(struct intake *in, size_t len, struct err *e);

/* Append exactly ${len} bytes to ${out}, or skip them if it is NULL.  ERR_CORRUPT if the source
 * ends before, or ${out} is full. */
int intake_take(struct intake *in, struct buf *out, int64_t len, struct err *e);

/* Read to the end: 1 if there were only zeros, and at most ${max} of them, 0 if not, -1. */
int intake_only_zeros(struct intake *in, int64_t max, struct err *e);
bool intake_is_zero(const void *data, size_t len);

/* The error of a source that ended too early; always -1. */
int intake_cut_off(struct err *e);

#endif
