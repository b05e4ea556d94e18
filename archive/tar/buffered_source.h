#ifndef ARCHIVE_TAR_BUFFERED_SOURCE_H
#define ARCHIVE_TAR_BUFFERED_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/stream.h"

/* A source with a buffer in front, for a reader that looks at what comes. */
struct buffered_source {
	struct source source;
	char *data; /* [at, len) is unread */
	size_t at, len;
	bool ended;
	int64_t fetched; /* bytes of the source that came, or were left out */
	/* May be NULL.  Leave out the next ${len} bytes of the source, whose ctx it is given. */
	int (*skip)(void *ctx, int64_t len, struct err *e);
	struct sink tap; /* handed what is gone past; .write may be NULL */
};

void buffered_source_init(struct buffered_source *in, struct source source);
void buffered_source_free(struct buffered_source *in);

/* Have at least one unread byte.  Returns 1, 0 at the end of the source, -1. */
int buffered_source_fetch(struct buffered_source *in, struct err *e);

/* How many bytes of the source have been gone past. */
int64_t buffered_source_place(const struct buffered_source *in);
/* Go past ${len} bytes that have been fetched. */
int buffered_source_pass(struct buffered_source *in, size_t len, struct err *e);

/* Append exactly ${len} bytes to ${out}, or skip them if it is NULL.  ERR_CORRUPT if the source
 * ends before, or ${out} is full. */
int buffered_source_take(struct buffered_source *in, struct buf *out, int64_t len, struct err *e);

/* Read to the end: 1 if there were only zeros, and at most ${max} of them, 0 if not, -1. */
int buffered_source_only_zeros(struct buffered_source *in, int64_t max, struct err *e);
bool buffered_source_is_zero(const void *data, size_t len);

/* The error of a source that ended too early; always -1. */
int buffered_source_cut_off(struct err *e);

#endif
