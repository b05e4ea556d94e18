#ifndef TRANSFER_WIRE_H
#define TRANSFER_WIRE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/stream.h"
#include "transfer/transfer.h"

/*
 * One exchange with a server over libcurl, for all protocols that go by it: time-outs by rate, a
 * verified certificate, a pinned host key, no redirect, no proxy, nothing asked on a terminal.
 * Keeps its connection for the next one.  One thread at a time.
 */
struct wire;

struct wire_options {
	const char *user;     /* NULL: none */
	const char *password; /* NULL: none */
	const char *key_file; /* see transfer_options */
	const char *key_password;
	const char *host_key;
	const char *ca_file;
	bool tls_required; /* of FTP: AUTH TLS or nothing */
	bool basic;	   /* of HTTP: user and password go along unasked */
	int64_t rate_bytes_s, connect_s, stall_s;
	bool (*cancelled)(void *ctx);
	void *ctx;
};

int wire_open(const struct wire_options *options, struct wire **ret_wire, struct err *e);
void wire_close(struct wire *w); /* NULL: nothing */

enum { WIRE_HEADERS = 16, WIRE_QUOTES = 8, WIRE_REPLY_MAX = 16 * 1024 * 1024 };

struct wire_call {
	const char *url;
	const char *method; /* of HTTP, or a listing's command of FTP; NULL: by itself */
	const char *headers[WIRE_HEADERS]; /* "Name: value", to the first NULL */
	const struct transfer_body *body;  /* is uploaded, */
	int64_t from;			   /* from here on, */
	int64_t length;			   /* so much of it; */
	bool resume;			   /* (FTP, SFTP) behind `from` bytes that are there */
	const char *text;		   /* or this is, of HTTP; NULL: nothing */
	EVP_MD_CTX *digest;		   /* all that is uploaded goes through it; or NULL */
	const struct sink *sink;	  /* where a good answer's body goes; NULL: to reply.text */
	int64_t range_from, range_length; /* what of it; length 0: all, -1: to the end */
	const char *quotes[WIRE_QUOTES];  /* commands of FTP and SFTP, before all else */
	bool nobody;			  /* no content is asked for */
	bool names;			  /* a listing of names alone */
};

struct wire_reply {
	int code;	     /* a CURLcode */
	int status;	     /* of HTTP; of FTP the last reply's */
	struct buf text;     /* the answer's body, unless it went to the sink */
	char last[256];	     /* of FTP: the last line that the server said */
	char etag[256];	     /* with its quotes */
	char sse[64];	     /* x-amz-server-side-encryption */
	int64_t length;	     /* of what was asked for; -1: not told */
	int64_t range_total; /* the whole object's, of a Content-Range; -1: none came */
	bool truncated;	     /* FTP: the listing is cut off */
};

#define WIRE_REPLY_INIT                                                                            \
	{                                                                                          \
		.text = BUF_INIT(WIRE_REPLY_MAX), .length = -1, .range_total = -1                  \
	}

/**
 * wire_call(w, call, reply, e):
 * Returns 0 if the exchange took place; of HTTP whatever its status, of others if it was done.
 * -1: ${reply} tells the code, ${e} what to do about it.  The reply is the caller's to free.
 */
int wire_call(
	struct wire *w, const struct wire_call *call, struct wire_reply *reply, struct err *e);
void wire_reply_free(struct wire_reply *reply); /* usable as SCOPED */

/* See transfer_facts; what is not known is left as it is. */
void wire_facts(const struct wire *w, struct transfer_facts *facts);

/* Where an FTP login begins; "" before the first call. */
const char *wire_entry(const struct wire *w);

#endif
