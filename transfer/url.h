#ifndef TRANSFER_URL_H
#define TRANSFER_URL_H

#include "base/err.h"

/* A destination's address in its parts.  All texts are its own; none is NULL but where said. */
struct url {
	char *scheme; /* lower case */
	char *user;   /* decoded; NULL: none */
	char *host;   /* of IPv6 with its brackets; "" if none */
	char *port;   /* NULL: the scheme's */
	char *path;   /* decoded, "" or "/…", no slash at its end */
	char *coded;  /* the path as it stands in a URL */
};

/**
 * url_parse(text, ret_url, e):
 * ERR_INVALID: it is none, or has a password, a query, a fragment, a `..`, or a character in its
 * path that a server might take for something else (a control, a quote, a backslash).
 */
int url_parse(const char *text, struct url *ret_url, struct err *e);
void url_free(struct url *u);

#endif
