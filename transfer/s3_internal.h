#ifndef TRANSFER_S3_INTERNAL_H
#define TRANSFER_S3_INTERNAL_H

#include "transfer/s3_sign.h"
#include "transfer/transfer_internal.h"

/* What s3.c and s3_parts.c share. */
struct s3 {
	char *base;   /* "https://host:port" */
	char *host;   /* "host:port" */
	char *bucket; /* "/bucket" or "": before each path */
	char *prefix; /* "" or "prefix/", decoded */
	struct s3_keys keys;
	int64_t part_bytes;
};

struct s3_call {
	const char *method;
	const char *name;  /* of an object; NULL: the bucket */
	const char *query; /* sorted and encoded; NULL: none */
	const char *header;
	const char *text;		  /* a body, */
	const struct transfer_body *body; /* or this, from `from` on */
	int64_t from, length;
	const struct sink *sink;
	int64_t range_from, range_length;
	bool nobody;
};

/* Sign it and make it; an error of the server's is told in its own words. */
int s3_request(
	struct transfer *t, const struct s3_call *call, struct wire_reply *reply, struct err *e);

/* The value of the first element ${name} of a reply, cut at ${size}; "" if there is none. */
void s3_value(const struct wire_reply *reply, const char *name, char *value, size_t size);

/* ${text} as a value of a query, '/' encoded, too; the caller's to free. */
char *s3_query_value(const char *text);

/* The MD5 of ${length} bytes of the body from ${from} on, as hex, for an ETag. */
int s3_md5(const struct transfer_body *body, int64_t from, int64_t length, char hex[33],
	struct err *e);

/**
 * s3_parts_put(t, name, body, e):
 * Put a large object in parts.  Those that an earlier put left there, and that are the same, stay.
 */
int s3_parts_put(
	struct transfer *t, const char *name, const struct transfer_body *body, struct err *e);

/* Throw away what puts of ${name} left half done. */
int s3_parts_drop(struct transfer *t, const char *name, struct err *e);

#endif
