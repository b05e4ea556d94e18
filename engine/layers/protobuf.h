#ifndef ENGINE_LAYERS_PROTOBUF_H
#define ENGINE_LAYERS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * As much of protocol buffers as containerd's calls take: numbers and runs of bytes.
 * Source: the encoding's description, https://protobuf.dev/programming-guides/encoding/
 */

/* Append field ${number} with the text ${text}.  -1 if ${to} is full. */
int protobuf_text(struct buf *to, unsigned number, const char *text);

/* A message, or a field of one, that is read. */
struct protobuf {
	const unsigned char *data;
	size_t len;
};

struct protobuf_field {
	unsigned number;
	bool is_bytes;	       /* a text, bytes or a message, else a number */
	struct protobuf bytes; /* borrowed from the message */
	uint64_t value;
};

/* The next field of ${m}, which goes on behind it.  1, 0 at its end, -1 if it is none. */
int protobuf_next(struct protobuf *m, struct protobuf_field *field);

/* A text of ${bytes}; the caller's. */
char *protobuf_string(const struct protobuf *bytes);

#endif
