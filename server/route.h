#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include <stdbool.h>

#include "base/err.h"
#include "server/reply.h"
#include "server/request.h"

/* Answer ${r} with ${reply}; -1: ${e} is answered as a problem. */
typedef int route_handler(void *app, struct request *r, struct reply *reply, struct err *e);

struct route {
	const char *method;	/* GET answers HEAD too */
	const char *pattern;	/* "/backups/{id}/files/{path}" */
	const char *parameters; /* query parameters that it knows: "limit,after" */
	bool open;		/* wants no token */
	bool metrics;		/* the token of metrics opens it, too */
	bool ticket;		/* takes a ticket instead of a token */
	route_handler *handler;
	/* The body is an upload of any length: called before it comes, to fill ${r}->upload; or it
	 * answers (as a handler), and the body is thrown away.  ${handler} answers at its end. */
	route_handler *upload;
};

enum { ALLOW_SIZE = 64 };

/**
 * route_find(routes, r, ret_allow):
 * The route of ${r}, whose ${r}->id is then filled; NULL if there is none.  ${ret_allow}: the
 * methods that the path has ("" : the path is not known); of ALLOW_SIZE bytes.
 */
const struct route *route_find(
	const struct route *routes, struct request *r, char ret_allow[ALLOW_SIZE]);

#endif
