#ifndef STORE_KEYS_CIPHER_H
#define STORE_KEYS_CIPHER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The keys of an encrypted store, all of them derived from its random master key by HKDF-SHA256
 * (RFC 5869), and what is done with them.  A plain store has none: wherever a `const struct cipher
 * *` or a `struct seal *` is asked for, NULL means "not encrypted".  libcrypto does all of it; when
 * it cannot (no memory), the process aborts.  Keys are wiped when they are freed.  Thread-safe.
 */
enum { CIPHER_KEY = 32, CIPHER_TAG = 16, CIPHER_NONCE = 12 };

/* A box is longer than its content by a random nonce and a tag. */
enum { CIPHER_BOX = CIPHER_NONCE + CIPHER_TAG };

struct cipher {
	unsigned char ids[CIPHER_KEY];	   /* of chunks and records: HMAC-SHA256 */
	unsigned char packs[CIPHER_KEY];   /* seal.h: each pack's key is derived from it */
	unsigned char rows[CIPHER_KEY];	   /* column_cipher.h: AES-256-GCM */
	unsigned char names[CIPHER_KEY];   /* column_cipher.h: HMAC-SHA256 */
	unsigned char keyfile[CIPHER_KEY]; /* keys.h: HMAC-SHA256 of the file `keys` */
	unsigned char catalogue[CIPHER_KEY];
	unsigned char copies[CIPHER_KEY]; /* of what describes packs elsewhere: AES-256-GCM */
};

struct cipher *cipher_new(const unsigned char master[CIPHER_KEY]);
void cipher_free(struct cipher *c);

/* A mark by which a catalogue is known to belong to these keys: 1..2^31 - 1; 0 of a plain store. */
int cipher_catalogue(const struct cipher *c);

/**
 * cipher_derive(key, key_len, salt, info, to):
 * HKDF-SHA256 of the ${key_len} (1..4096) random bytes ${key}; the first 16 bytes of ${salt} are
 * used, or none if it is NULL.
 */
void cipher_derive(const unsigned char *key, size_t key_len, const unsigned char *salt,
	const char *info, unsigned char to[CIPHER_KEY]);

/* HMAC-SHA256 (RFC 2104). */
void cipher_mac(const unsigned char key[CIPHER_KEY], const void *data, size_t len,
	unsigned char to[CIPHER_KEY]);

/**
 * cipher_box(key, bound, data, len, to), cipher_unbox(key, bound, box, len, to):
 * AES-256-GCM (NIST SP 800-38D) with a random nonce, for at most 2^32 boxes under one key.  The
 * text ${bound} is authenticated with it.  A box has ${len} + CIPHER_BOX bytes: nonce, content,
 * tag; unbox is given its whole length.  Unbox is false if this is no box of that key and text;
 * ${to} is wiped then.
 */
void cipher_box(const unsigned char key[CIPHER_KEY], const char *bound, const void *data,
	size_t len, unsigned char *to);
bool cipher_unbox(const unsigned char key[CIPHER_KEY], const char *bound, const unsigned char *box,
	size_t len, unsigned char *to);

#endif
