#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "base/err.h"
#include "server/cors.h"
#include "server/route.h"
#include "server/token.h"
#include "server/visits.h"

/*
 * The HTTP server: the gate (gate.h) accepts connections, and libmicrohttpd serves each with a
 * thread of its own, so that a handler may block.  A connection serves one request.
 */
struct listen;

enum {
	LISTEN_CONNECTIONS_MAX = 256,  /* above what the gate lets in */
	LISTEN_HEAD_BYTES = 48 * 1024, /* of a connection: a head that the gate lets pass, parsed */
	LISTEN_LAST_MS = 1000, /* what is being answered at the end of the service has so long */
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
	/* Called in a connection's thread before anything is done for it; NULL: nothing is. */
	void (*enter)(void *ctx);
	void *enter_ctx;
};

int listen_open(const struct listen_options *options, struct listen **ret_listen, struct err *e);

/* No new connections from now on.  What is being answered goes on. */
void listen_quiesce(struct listen *l);

/* End all connections, after LISTEN_LAST_MS those that are still being answered, and wait for their
 * threads. */
void listen_close(struct listen *l);

#endif
