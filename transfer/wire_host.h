#ifndef TRANSFER_WIRE_HOST_H
#define TRANSFER_WIRE_HOST_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * Whether an SSH server is the one that it should be: by the fingerprints of its keys, as
 * `ssh-keygen -l` shows them.  Without a callback libcurl takes any server for the right one.
 */
struct wire_host {
	const char *pinned; /* "SHA256:…", several with spaces between; NULL: none yet */
	char shown[64];	    /* by the server, "" before */
	bool refused;
};

/* A CURLOPT_SSH_HOSTKEYFUNCTION; ${ctx}: a struct wire_host. */
int wire_host_key(void *ctx, int type, const char *key, size_t len);

/* Says which key it showed and what to do; returns -1. */
int wire_host_error(const struct wire_host *h, struct err *e);

#endif
