#ifndef TRANSFER_TRANSFER_H
#define TRANSFER_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/stream.h"

/*
 * Objects at a destination, whatever protocol it speaks: six verbs.  The scheme of its URL chooses
 * the protocol (transfer_internal.h); nothing above this header knows one.
 *
 * 1. An object is put whole or not at all: a put that breaks off leaves nothing under its name.
 * 2. A put returns 0 only after the destination has confirmed the size (and the hash, if it can).
 * 3. Nothing is held in memory but buffers of fixed size, whatever an object's length.
 * 4. A server is known by its certificate or by its pinned host key before a secret goes to it.
 * 5. No call has a total time limit; one that moves less than a byte a second for `stall_s` ends.
 *
 * One thread at a time uses a transfer; several transfers to one destination may run at once.
 */
struct transfer;

/* What authenticates.  Each is the content of a file, or of a variable of the environment. */
enum transfer_secret {
	TRANSFER_PASSWORD,
	TRANSFER_TOKEN,	       /* a bearer token */
	TRANSFER_KEY_PASSWORD, /* of the private SSH key */
	TRANSFER_ACCESS_KEY,
	TRANSFER_SECRET_KEY,
	TRANSFER_SESSION_TOKEN,
	TRANSFER_SECRETS
};

struct transfer_options {
	const char *url;
	const char *user; /* NULL: the URL's, or none */
	const char *secret_file[TRANSFER_SECRETS];
	const char *secret_env[TRANSFER_SECRETS];
	const char *key_file; /* a private SSH key */
	const char *host_key; /* "SHA256:…" of the server's SSH key; several: spaces between */
	const char *ca_file;  /* PEM; NULL: the system's authorities */
	const char *endpoint; /* of an S3 that is not Amazon's: "https://host:port" */
	const char *region;   /* NULL: us-east-1 */
	const char *style;    /* "path" or "virtual"; NULL: as usual for the endpoint */
	int64_t rate_bytes_s; /* 0: as fast as it goes */
	int64_t connect_s;    /* 0: TRANSFER_CONNECT_S */
	int64_t stall_s;      /* 0: TRANSFER_STALL_S */
	int64_t part_bytes;   /* of a large object on S3; 0: TRANSFER_PART */
	/* Asked once a second or more often: true gives the call up (ERR_CANCELLED).  Or NULL. */
	bool (*cancelled)(void *ctx);
	void *ctx;
};

enum {
	TRANSFER_CONNECT_S = 20,
	TRANSFER_STALL_S = 120,
	TRANSFER_PART = 64 * 1024 * 1024, /* S3 wants 5 MiB or more, and at most 10,000 of them */
	TRANSFER_NAME_MAX = 200,
	TRANSFER_SECRET_MAX = 8192
};

/**
 * transfer_open(options, ret_transfer, e):
 * Reads the secrets, and connects with nobody.  Borrows nothing of ${options} but ${ctx}.
 * ERR_INVALID: the URL or an option is wrong; ERR_DENIED: a secret cannot be read.
 */
int transfer_open(
	const struct transfer_options *options, struct transfer **ret_transfer, struct err *e);
void transfer_close(struct transfer *t);
void transfer_close_at(struct transfer **t);

/* The words for its protocol: "sftp", "s3", … */
const char *transfer_protocol(const struct transfer *t);

/*
 * The errors of all calls below: ERR_AWAY (it does not answer, or is busy: later), ERR_BARRED (it
 * is not who it should be, or does not let us in), ERR_FULL, ERR_REMOTE (it refused), ERR_IO (the
 * connection broke), ERR_TIMEOUT, ERR_CANCELLED, ERR_UNSUPPORTED (not by this protocol, or
 * server), ERR_INVALID (the name: [A-Za-z0-9._-] and '/', no part begins with a '.').
 */

/* What is put: read at any place, for a put may go on where an earlier one broke off. */
struct transfer_body {
	/* As a source's, of the bytes from ${at} on. */
	ssize_t (*read)(void *ctx, int64_t at, void *data, size_t size, struct err *e);
	void *ctx;
	int64_t length;
};

enum transfer_how { TRANSFER_REPLACE, TRANSFER_NEW, TRANSFER_UNIQUE };

/**
 * transfer_put(t, name, body, how, e):
 * Put an object; folders on the way are made.  What an earlier put of the same bytes left half done
 * is gone on with where the protocol can.  TRANSFER_NEW: ERR_CONFLICT if it is there already; two
 * that put at once are told apart where transfer_exclusive is.  TRANSFER_UNIQUE: the same, but the
 * destination is not asked first: the name is drawn or a hash, so nobody has put anything else
 * there.
 */
int transfer_put(struct transfer *t, const char *name, const struct transfer_body *body,
	enum transfer_how how, struct err *e);

/* Whether the server itself refuses to put what is there (TRANSFER_NEW) for this protocol. */
bool transfer_exclusive(const struct transfer *t);

/**
 * transfer_get(t, name, from, length, sink, e):
 * The ${length} bytes from ${from} on; ${length} -1: to the end.  All of them have come when it
 * returns 0.  ERR_NOT_FOUND, ERR_RANGE.
 */
int transfer_get(struct transfer *t, const char *name, int64_t from, int64_t length,
	const struct sink *sink, struct err *e);

struct transfer_object {
	const char *name; /* below the folder that is listed */
	int64_t size;	  /* -1: not told */
	bool folder;
};

/* Its size: 1, 0 (no such object), -1. */
int transfer_stat(struct transfer *t, const char *name, int64_t *ret_size, struct err *e);

/**
 * transfer_list(t, folder, each, ctx, e):
 * Tell of each object and folder directly below ${folder} ("": the URL's), in no order; a folder
 * that is not there is empty.  What a put left half done is left out.  ${each}: -1 ends it.  What
 * is not listed may be there all the same: ask transfer_stat.
 */
typedef int transfer_each(void *ctx, const struct transfer_object *object, struct err *e);
int transfer_list(
	struct transfer *t, const char *folder, transfer_each *each, void *ctx, struct err *e);

/* 0 if it is gone, also if it was not there; with it goes what a put of it left half done. */
int transfer_delete(struct transfer *t, const char *name, struct err *e);

/* What was learned of the server on the way. */
struct transfer_facts {
	char host_key[64];	/* "SHA256:…", "" if none was shown */
	char certificate[256];	/* whose, and until when; "" if none was shown */
	bool clock_known;	/* it told its time: */
	int64_t clock_ahead_ms; /* so much later than here */
	bool encrypted;		/* nobody between here and there can read along */
};
void transfer_facts(const struct transfer *t, struct transfer_facts *ret_facts);

#endif
