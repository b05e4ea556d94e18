#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The two directions of data.  A sink is pushed into; a source is pulled from.  Both are small
 * values whose owner keeps ${ctx} alive while they are in use; neither is thread-safe.
 */
struct sink {
	/* Take all ${len} bytes.  Returns 0 or -1; after -1 it is not called again. */
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;
};

struct source {
	/* Fill up to ${size} (> 0) bytes.  Returns how many, 0 at the end, -1 on error. */
	ssize_t (*read)(void *ctx, void *data, size_t size, struct err *e);
	void *ctx;
};

static inline int
sink_write(const struct sink *s, const void *data, size_t len, struct err *e)
{
	return s->write(s->ctx, data, len, e);
}

static inline ssize_t
source_read(const struct source *s, void *data, size_t size, struct err *e)
{
	return s->read(s->ctx, data, size, e);
}

#endif
