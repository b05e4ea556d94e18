#ifndef TRANSFER_S3_SIGN_H
#define TRANSFER_S3_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Signature Version 4 of AWS ("Signing AWS API requests"), by ourselves: that of libcurl differs
 * between its versions, and signs not what every server reads.
 */
struct s3_request {
	const char *method;
	const char *host;    /* as the Host header has it, with its port */
	const char *path;    /* encoded */
	const char *query;   /* encoded, its parameters sorted, each with a '='; "" if none */
	const char *payload; /* SHA-256 of the body, 64 hex digits */
	int64_t time_s;	     /* since 1970 */
};

struct s3_keys {
	const char *access_key, *secret_key;
	const char *session_token; /* NULL: none */
	const char *region;
};

enum { S3_DATE = 17 };

struct s3_signature {
	char date[S3_DATE]; /* x-amz-date */
	char authorization[1024];
};

/* ERR_INVALID: a name is too long; ERR_INTERNAL.  Thread-safe. */
int s3_sign(const struct s3_request *request, const struct s3_keys *keys,
	struct s3_signature *ret_signature, struct err *e);

#endif
