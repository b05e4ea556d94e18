#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "base/err.h"
#include "server/cors.h"
#include "server/route.h"
#include "server/token.h"
#include "server/visits.h"

/*
 * The HTTP server: libmicrohttpd with a thread for each connection, so that a handler may block.
 */
struct listen;

enum {
	LISTEN_CONNECTIONS_MAX = 128,
	LISTEN_STACK_BYTES = 512 * 1024, /* of a thread; handlers use below 64 KiB */
	LISTEN_IDLE_SECONDS = 120	 /* without a byte in either direction */
};

struct listen_options {
	const char *address; /* "host:port", "[v6]:port", "unix:/path" */
	const struct token *token;
	const char *token_hint;		   /* where a client finds the token */
	const struct token *metrics_token; /* NULL: none */
	const struct route *routes;
	struct visits *visits;	 /* counts what is answered */
	const struct cors *cors; /* NULL: no other origins */
	void *app;		 /* for the handlers */
	/* True if ${text} is a ticket for the request. */
	bool (*ticket)(void *app, const struct request *r, const char *text);
	/* Judge the X-Auth-Token ${text}: 0, or -1 (ERR_DENIED, ERR_FORBIDDEN, ERR_LOGIN); may take
	 * its time.  NULL: there are none. */
	int (*login)(void *ctx, const char *text, struct err *e);
	void *login_ctx;
};

int listen_open(const struct listen_options *options, struct listen **ret_listen, struct err *e);

/* No new connections from now on. */
void listen_quiesce(struct listen *l);

/* End all connections and wait for their threads. */
void listen_close(struct listen *l);

#endif
