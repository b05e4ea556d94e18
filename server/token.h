#ifndef SERVER_TOKEN_H
#define SERVER_TOKEN_H

#include <stdbool.h>

#include "base/err.h"

/*
 * The token that lets somebody in.  Only its SHA-256 stays in memory; comparing takes the same time
 * whatever is compared.
 */
struct token {
	unsigned char digest[32];
};

enum { TOKEN_LEN_MIN = 16, TOKEN_LEN_MAX = 512, TOKEN_RANDOM = 32 };

/* From ${text}; ERR_INVALID if it is too short to be safe, or too long. */
int token_set(struct token *t, const char *text, struct err *e);

/* From the file ${path}, which is made (mode 0600) with a random token if it is not there. */
int token_load(struct token *t, const char *path, struct err *e);

bool token_matches(const struct token *t, const char *text);

#endif
