#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A byte buffer born with its maximum.  The content is always followed by a NUL that does not
 * count, so text can be used as a C string.  Not thread-safe.
 */
struct buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t room;
	size_t max;
};

#define BUF_INIT(maximum)                                                                          \
	{                                                                                          \
		.max = (maximum)                                                                   \
	}

/**
 * buf_add(b, data, len), buf_text(b, text), buf_format(b, format, ...):
 * Append.  Return 0, or -1 if the maximum would be passed (nothing is appended then).
 */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_text(struct buf *b, const char *text);
int buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * buf_reserve(b, len):
 * Make room for ${len} more bytes and return where they go; the caller then adds to b->len what it
 * wrote.  NULL if the maximum would be passed.
 */
void *buf_reserve(struct buf *b, size_t len);

void buf_drop_front(struct buf *b, size_t len); /* remove the first len bytes */
void buf_clear(struct buf *b);			/* empty, keeping the memory */
char *buf_take(struct buf *b);			/* the content, the caller's to free; never NULL */
void buf_free(struct buf *b);			/* usable as SCOPED(buf_free) */

#endif
