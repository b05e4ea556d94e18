#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdint.h>

#include "base/err.h"

/* The answer to a request.  One of the reply_* below makes its body; then headers may be added. */
struct reply {
	int status;
	struct MHD_Response *response;
};

void reply_json(struct reply *r, int status, json_t *json); /* takes ${json}, does not change it */
/* A problem+json, whose status becomes ${status}.  ${problem} is borrowed, and not changed: */
void reply_problem(struct reply *r, int status, const json_t *problem);
void reply_new_problem(struct reply *r, int status, json_t *problem); /* the same, taking it */
/* Takes ${text}. */
void reply_text(struct reply *r, int status, const char *type, char *text);
void reply_error(struct reply *r, const struct err *e);
void reply_empty(struct reply *r, int status);

/* ${data} stays valid for ever. */
void reply_static(struct reply *r, const char *type, const void *data, size_t len);

struct reply_stream {
	/* Up to ${size} bytes of the body from ${offset} on: how many, 0 at the end, -1: break off
	 * the connection, so that a short answer never looks complete. */
	ssize_t (*read)(void *ctx, uint64_t offset, char *data, size_t size);
	void (*close)(void *ctx);
	void *ctx;
	int64_t len; /* -1: not known */
};
void reply_streamed(struct reply *r, int status, const char *type, const struct reply_stream *s);

void reply_header(struct reply *r, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Give it to libmicrohttpd, and free it. */
enum MHD_Result reply_send(struct reply *r, struct MHD_Connection *connection);

#endif
