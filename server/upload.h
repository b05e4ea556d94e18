#ifndef SERVER_UPLOAD_H
#define SERVER_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The body of a request on its way from the connection's thread, which pushes, to that of an
 * operation, which reads: at most UPLOAD_ROOM bytes are under way, so that a client sends no faster
 * than its bytes are worked on.  Either side may end first; the last to leave frees it.
 *
 *	connection: upload_new, upload_push…, upload_end
 *	operation:  upload_wait / upload_read…, upload_leave
 */
struct upload;

enum { UPLOAD_ROOM = 512 * 1024 };

/* For both sides. */
struct upload *upload_new(void);

/* Hand on ${len} bytes; waits for room.  False if nobody reads any more: they are dropped. */
bool upload_push(struct upload *u, const void *data, size_t len);

/* Nothing more comes.  ${complete}: the body has ended; else the connection broke off. */
void upload_end(struct upload *u, bool complete);

/* Wait up to ${timeout_ms} until upload_read would not block: true if so. */
bool upload_wait(struct upload *u, int timeout_ms);

/* Up to ${size} bytes: how many, 0 at the end of the body; -1, ERR_IO: it broke off. */
ssize_t upload_read(struct upload *u, void *data, size_t size, struct err *e);

void upload_leave(struct upload *u);

/* The connection's side is done with it; after upload_end. */
void upload_release(struct upload *u);

#endif
