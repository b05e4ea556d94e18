#ifndef TRANSFER_SECRETS_H
#define TRANSFER_SECRETS_H

#include "transfer/transfer.h"

/**
 * secrets_read(options, secret, e):
 * The secrets that ${options} name, without the end of their line; NULL where none is named.  They
 * are the caller's, who ends with secrets_wipe.  ERR_INVALID: both a file and a variable, or not
 * one line; ERR_DENIED: it cannot be read, or is not there.
 */
int secrets_read(
	const struct transfer_options *options, char *secret[TRANSFER_SECRETS], struct err *e);
void secrets_wipe(char *secret[TRANSFER_SECRETS]);

/* "password", "access_key", …: what stands before _file and _env. */
const char *secrets_name(enum transfer_secret which);

#endif
