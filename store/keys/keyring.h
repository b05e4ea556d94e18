#ifndef STORE_KEYS_KEYRING_H
#define STORE_KEYS_KEYRING_H

#include <jansson.h>

#include "store/keys/keys.h"

/*
 * Changing who may open an encrypted store.  Beside a running service too, which reads the file
 * `keys` at its start only; two changes at once exclude each other (ERR_BUSY).  All but the list
 * need a secret that opens the store.  The master key stays what it is, so nothing is stored anew;
 * and so somebody who has both an old copy of `keys` and its secret can still read the packs.
 * ERR_NOT_FOUND: there is no store, or it is not encrypted.
 */

/* An array of the slots, from 1 on, without what is secret. */
int keyring_list(const char *path, json_t **ret_slots, struct err *e);

/* Whether the secret opens it: the slot's number, or -1 (ERR_DENIED). */
int keyring_check(const char *path, const struct secret *secret, struct err *e);

struct keyring_options {
	const struct secret *secret; /* opens the store */
	const struct secret *added;
	const char *label;
	int64_t scrypt_n; /* 0: SLOT_SCRYPT_N */
};

/* A slot more; keyring_change: in place of the one that the present secret opens.  Its number. */
int keyring_add(const char *path, const struct keyring_options *o, struct err *e);
int keyring_change(const char *path, const struct keyring_options *o, struct err *e);

/*
 * ERR_CONFLICT: it is the last one, or the one that ${secret} opens: so there is always one left of
 * which it is known that somebody has its secret.
 */
int keyring_remove(const char *path, const struct secret *secret, size_t number, struct err *e);

/* A slot more, for a new recovery key, which is given out this once.  Its number. */
int keyring_recovery(const char *path, const struct secret *secret,
	char ret_text[RECOVERY_TEXT_SIZE], struct err *e);

#endif
