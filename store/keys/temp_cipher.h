#ifndef STORE_KEYS_TEMP_CIPHER_H
#define STORE_KEYS_TEMP_CIPHER_H

#include <stddef.h>
#include <stdint.h>

/*
 * The key of one temporary file beside an encrypted store: random, in memory alone, so that what
 * was written is of no use to anybody once the process has ended.  AES-256-CTR (NIST SP 800-38A) by
 * place in the file; each place is written once.  It hides and does not authenticate: who can
 * change an unlinked file of a running process needs no such means.  Thread-safe.
 */
struct temp_cipher;

struct temp_cipher *temp_cipher_new(void);
void temp_cipher_free(struct temp_cipher *s); /* NULL is allowed */

/* The ${len} (up to INT_MAX) bytes that stand at ${offset}, hidden if they are plain, and plain if
 * they are hidden; ${to} may be ${from}. */
void temp_cipher_turn(
	const struct temp_cipher *s, int64_t offset, const void *from, size_t len, void *to);

#endif
