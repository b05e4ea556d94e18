#ifndef SERVER_CORS_H
#define SERVER_CORS_H

#include <stdbool.h>

#include "base/err.h"
#include "server/reply.h"
#include "server/request.h"

/*
 * Pages of other origins that a browser may let use the service (the Fetch standard's CORS).  They
 * are named one by one; there is no "*", and no credentials but a header that the page itself
 * sends.
 */
struct cors;

/* ${text}: origins, comma-separated: "https://fuel.example:8443,http://10.20.0.2:8000".  NULL or
 * empty gives NULL.  ERR_INVALID names what is no origin. */
int cors_parse(const char *text, struct cors **ret_cors, struct err *e);
void cors_free(struct cors *c); /* NULL: nothing */

/* Add to the reply what its origin may see; ${allowed}: the methods of its path. */
void cors_apply(
	const struct cors *c, const struct request *r, struct reply *reply, const char *allowed);

#endif
