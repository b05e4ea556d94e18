#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

#include <stddef.h>

/*
 * The answer, in the form of all errors, to what libmicrohttpd never sees.
 * refusal_text(status, why, text): the whole of it to ${text}; returns its length.  ${status}: 400,
 * 404, 408, 431, 501, 503 or 505.  ${why}: a sentence without quotes.
 */
enum { REFUSAL_SIZE = 1024 };
size_t refusal_text(int status, const char *why, char text[REFUSAL_SIZE]);

#endif
