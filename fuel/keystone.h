#ifndef FUEL_KEYSTONE_H
#define FUEL_KEYSTONE_H

#include "base/err.h"

/*
 * OpenStack's Keystone, which knows who a token of Fuel's web UI belongs to: its API v2.0
 * (GET /tokens/ID) or v3 (GET /auth/tokens).  Thread-safe; a call takes KEYSTONE_MS at most.
 */
struct keystone;

enum {
	KEYSTONE_MS = 10000,	   /* of a request, as a whole */
	KEYSTONE_AT_ONCE = 16,	   /* requests: a slow Keystone holds no more connections of ours */
	KEYSTONE_CACHE = 256,	   /* verdicts that are remembered, */
	KEYSTONE_CACHE_MS = 60000, /* for so long */
	KEYSTONE_TOKEN_MAX = 8192
};

struct keystone_options {
	const char *url; /* "http://10.20.0.2:5000/v3" or "…:35357/v2.0" */
	/* Who asks; NULL: a token is asked about with itself. */
	const char *user, *password, *project;
};

int keystone_open(const struct keystone_options *o, struct keystone **ret_keystone, struct err *e);
void keystone_close(struct keystone *k); /* NULL: nothing */

/**
 * keystone_check(k, token, e):
 * 0 if ${token} is valid now and has the role `admin`; that and a missing role are remembered for
 * a minute, under the token's hash.  ERR_DENIED (not valid), ERR_FORBIDDEN (not the role),
 * ERR_LOGIN (Keystone could not be asked, or its answer is not understood).
 */
int keystone_check(struct keystone *k, const char *token, struct err *e);

/* A token of our own user, the caller's to free; NULL: ERR_LOGIN, also without a user. */
char *keystone_login(struct keystone *k, struct err *e);

#endif
