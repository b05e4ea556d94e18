#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

enum { REQUEST_NAME_MAX = 64 };

/*
 * A request, its body complete; but of a route that takes an upload, whose body is not kept.
 * All texts are borrowed and live as long as it.
 */
struct request {
	struct MHD_Connection *connection;
	const char *method; /* HEAD has become GET, and ${head} is set */
	bool head;
	const char *path;
	char id[ID_SIZE];		 /* of a route with {id} */
	char name[REQUEST_NAME_MAX + 1]; /* of a route with {name}: any part of a path */
	const char *rest; /* of a route with {path}: what stands there, decoded; else NULL */
	struct buf body;
	bool too_large;
	json_t *json;		       /* the body; NULL if there was none, or an empty object */
	struct request_upload *upload; /* NULL: of no such route, or refused already */
	int64_t discarded;	       /* bytes of a body that nobody wants any more */
};

/* Where the body of an upload goes. */
struct request_upload {
	/* More of it; false: nobody wants it any more.  May block. */
	bool (*take)(void *ctx, const void *data, size_t len);
	/* The request is over; the body may not have been complete.  Frees all. */
	void (*close)(void *ctx);
	void *ctx;
};

enum { REQUEST_BODY_MAX = 1024 * 1024 };

/* A client that sends on after its upload was refused is listened to for so long; then it is cut
 * off.  (An answer in the middle of a body would be lost in most clients.) */
#define REQUEST_DISCARD_MAX (INT64_C(1) << 30)

/* A header or a query parameter; NULL if it is not there. */
const char *request_header(const struct request *r, const char *name);
const char *request_parameter(const struct request *r, const char *name);

/* The integer parameter ${name}, or ${preset}; ERR_INVALID if it is not within min…max. */
int request_integer(const struct request *r, const char *name, int64_t min, int64_t max,
	int64_t preset, int64_t *ret, struct err *e);

/* The parameter `after`: NULL or a valid id. */
int request_after(const struct request *r, const char **ret_after, struct err *e);

/* Refuse query parameters that are not in ${known} ("a,b"; ""). */
int request_check_parameters(const struct request *r, const char *known, struct err *e);

/**
 * request_parse(r, e):
 * Parse the body into ${r}->json.  ERR_TOO_LARGE, ERR_INVALID with the place.  Returns 415 if it
 * is not declared as JSON, 0, or -1.
 */
int request_parse(struct request *r, struct err *e);

#endif
