#ifndef TRANSFER_REQUEST_H
#define TRANSFER_REQUEST_H

#include "transfer/transfer_internal.h"

/* What the protocols on top of HTTP share: S3 by its own words, WebDAV and plain PUT by these. */

/* What a status of 300 or more means, and what to do about it.  Always returns -1. */
int request_fault(int status, const char *what, const char *said, struct err *e);

/* Make ${call}, and of a status that is not 2xx an error of request_fault. */
int request_call(struct transfer *t, const struct wire_call *call, struct wire_reply *reply,
	const char *what, struct err *e);

/* GET ${url}, or a part of it, with ${headers}. */
int request_get(struct transfer *t, const struct wire_call *call, const char *name, struct err *e);

/* Opens t->wire for a URL of HTTP: user and password, or a bearer token. */
int request_open(struct transfer *t, const struct transfer_options *o, struct err *e);

#endif
