#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/stream.h"

/*
 * One outgoing request (libcurl underneath), over TCP or a unix socket.  A client keeps idle
 * connections to one server and may be used by several threads at once.
 */
struct http;

struct http_options {
	const char *url;       /* "http://127.0.0.1:8088", "https://…"; no trailing slash */
	const char *unix_path; /* NULL, or the socket to connect to instead of the URL's host */
	const char *bearer;    /* NULL, or a token for Authorization */
	bool http2;	       /* speak HTTP/2 without asking, as gRPC servers want it */
	int64_t connect_ms;    /* 0: 5000 */
	int64_t stall_ms;      /* 0: none. Without a byte in either direction for this long the
				* request fails with ERR_TIMEOUT.  Never a total limit. */
};

int http_open(const struct http_options *options, struct http **ret_http, struct err *e);
void http_close(struct http *h);
void http_close_at(struct http **h);

struct http_request {
	const char *method;
	const char *path;	    /* with query, already encoded */
	const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
	const char *type;	    /* Content-Type of the body, NULL: no body */
	const void *body;	    /* a body in memory, */
	size_t body_len;
	const struct source *source; /* or one that is pulled, */
	int64_t source_len;	     /* of this length, -1: chunked */
	bool expect;		     /* ask first whether it is wanted (100-continue) */
	const struct sink *sink;     /* where a 2xx body goes; NULL: to reply.body */
	/* Called between bytes; return true to give the request up (ERR_CANCELLED).  Or NULL. */
	bool (*cancelled)(void *ctx);
	void *ctx;
	int64_t stall_ms; /* 0: the client's; -1: none (event streams, long polls) */
};

enum { HTTP_BODY_MAX = 16 * 1024 * 1024 };

struct http_reply {
	int status;
	struct buf body; /* what did not go to a sink; at most HTTP_BODY_MAX */
	char type[128];	 /* Content-Type, without parameters */
	char location[512];
	char etag[256];
	char subject_token[8192]; /* X-Subject-Token, as Keystone gives one out */
	char grpc_status[16];	  /* of a gRPC server, which tells it behind the body; "" */
	char grpc_message[512];
	int64_t content_length; /* -1: not given */
};

#define HTTP_REPLY_INIT                                                                            \
	{                                                                                          \
		.body = BUF_INIT(HTTP_BODY_MAX), .content_length = -1                              \
	}

/**
 * http_call(h, request, reply, e):
 * Returns 0 if an answer came, whatever its status; -1: ERR_UNREACHABLE (no connection),
 * ERR_TIMEOUT, ERR_CANCELLED, ERR_IO (the connection broke: the body is not complete), or what the
 * sink or the source reported.  The reply is the caller's to free, also after an error.
 */
int http_call(struct http *h, const struct http_request *request, struct http_reply *reply,
	struct err *e);

/**
 * http_warm(h, request, count, e):
 * Make ${request} on each of ${count} connections (at most HTTP_IDLE_MAX), so that as many calls
 * that follow at once find an open one.
 */
enum { HTTP_IDLE_MAX = 64 };
int http_warm(struct http *h, const struct http_request *request, size_t count, struct err *e);

void http_reply_free(struct http_reply *reply); /* usable as SCOPED */

/* ${text} with everything but unreserved characters as %XX; the caller's to free. */
char *http_escape(const char *text);

#endif
