#ifndef SERVER_HEAD_H
#define SERVER_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The head of a request, judged before anything is done for it: its form (RFC 9112), and what it is
 * about.  What two readers could understand in two ways is refused.  Pure; allocates nothing.
 */
enum head_state {
	HEAD_MORE,     /* well-formed so far; the rest has to come */
	HEAD_COMPLETE, /* well-formed, to its empty line */
	HEAD_BAD       /* refuse it with ->status and ->why */
};

enum head_about {
	HEAD_ANYTHING,
	HEAD_HEALTH, /* GET or HEAD /health */
	HEAD_THAW    /* POST /thaw */
};

/* Bytes of a head, and lines of it; more is refused with 431. */
enum { HEAD_BYTES_MAX = 16 * 1024, HEAD_LINES_MAX = 100, HEAD_BEARER_SIZE = 520 };

struct head {
	int status;	 /* of a bad one: 400, 404, 431, 501, 505 */
	const char *why; /* a sentence for the client */
	enum head_about about;
	char bearer[HEAD_BEARER_SIZE]; /* of `Authorization: Bearer TOKEN`; "": none */
};

/* What the first ${len} bytes of a connection are; fills ${ret}. */
enum head_state head_judge(const char *bytes, size_t len, struct head *ret);

#endif
