#ifndef STORE_KEYS_SECRET_H
#define STORE_KEYS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * What a person keeps to open an encrypted store: a pass phrase, a key file, or the recovery key,
 * which is given in the place of a pass phrase.  Read from files only: arguments and environments
 * are seen by others.  A plain value; never printed, never logged.
 */
enum secret_kind { SECRET_PASSPHRASE, SECRET_KEYFILE };

/* A key file of less has less than 256 bits; none needs more. */
enum { SECRET_KEY_MIN = 32, SECRET_KEY_MAX = 4096 };
/* Shorter ones are guessed, whatever scrypt costs; longer ones are a mistake. */
enum { SECRET_PHRASE_MIN = 8, SECRET_PHRASE_MAX = 1024 };

struct secret {
	enum secret_kind kind;
	size_t len;
	unsigned char data[SECRET_KEY_MAX + 1];
};

/**
 * secret_read(path, kind, ret_secret, e):
 * Read a file that nobody but its owner may read, who is this user or root.  Of a pass phrase the
 * end of the line is left out, and it must be one line.  ERR_INVALID, ERR_IO.
 */
int secret_read(const char *path, enum secret_kind kind, struct secret *ret_secret, struct err *e);

/* Forget it. */
void secret_wipe(struct secret *s);

/* The recovery key: 32 random bytes, written as eight groups of eight hexadecimal digits. */
enum { RECOVERY_KEY = 32, RECOVERY_TEXT_SIZE = 2 * RECOVERY_KEY + 8 };
const char *secret_recovery_text(
	const unsigned char key[RECOVERY_KEY], char text[RECOVERY_TEXT_SIZE]);

/* False if the pass phrase is not of that form. */
bool secret_recovery(const struct secret *s, unsigned char key[RECOVERY_KEY]);

#endif
