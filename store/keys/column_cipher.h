#ifndef STORE_KEYS_COLUMN_CIPHER_H
#define STORE_KEYS_COLUMN_CIPHER_H

#include <sqlite3.h>

#include "base/err.h"
#include "store/keys/cipher.h"

/*
 * Texts in the catalogue that say what is backed up.  The statements pass them through functions,
 * which change nothing in a plain store:
 *
 *	veil(bound, text)	a box (cipher.h) in base64; it opens only where ${bound} is the same
 *	unveil(bound, text)	the text; SQLITE_CORRUPT if it does not authenticate
 *	column_cipher_name(text)		an HMAC-SHA256 in hex, always the same for the same
 * text
 */
int column_cipher_register(sqlite3 *db, const struct cipher *c);

/* column_cipher_name of a text or of a key of CIPHER_KEY bytes, for keys that are also looked up
 * here. */
enum { COLUMN_CIPHER_NAME_SIZE = 2 * CIPHER_KEY + 1 };
const char *column_cipher_name(
	const struct cipher *c, const char *text, char to[COLUMN_CIPHER_NAME_SIZE]);
const unsigned char *column_cipher_key(
	const struct cipher *c, const unsigned char *key, unsigned char to[CIPHER_KEY]);

#endif
