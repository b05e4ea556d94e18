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
	int64_t before; /* bytes of the source before ${data} */
	/* May be NULL: go ${bytes} further in the source without reading them. */
	int (*skip)(void *ctx, int64_t bytes, struct err *e);
};

void intake_init(struct intake *in, struct source source);
void intake_free(struct intake *in);

/* Have at least one unread byte.  Returns 1, 0 at the end of the source, -1. */
int intake_fetch(struct intake *in, struct err *e);

/* Append exactly ${len} bytes to ${out}, or skip them if it is NULL.  ERR_CORRUPT if the source
 * ends before, or ${out} is full. */
int intake_take(struct intake *in, struct buf *out, int64_t len, struct err *e);

/* Bytes of the source that were taken. */
int64_t intake_offset(const struct intake *in);

/* Read to the end: 1 if there were only zeros, 0 if not, -1. */
int intake_only_zeros(struct intake *in, struct err *e);
bool intake_is_zero(const void *data, size_t len);

/* The error of a source that ended too early; always -1. */
int intake_cut_off(struct err *e);

#endif
