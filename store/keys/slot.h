#ifndef STORE_KEYS_SLOT_H
#define STORE_KEYS_SLOT_H

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/keys/cipher.h"
#include "store/keys/secret.h"

/*
 * One way to open an encrypted store: the master key in a box (cipher.h) under a key that is made
 * of somebody's secret.  Everything else in the slot is authenticated with the box.
 *
 *	scrypt	  a pass phrase: scrypt (RFC 7914) with the slot's salt, N, r and p
 *	keyfile	  a key file's bytes: HKDF-SHA256 with the slot's salt
 *	recovery  the recovery key's 32 bytes: as a key file's
 *
 * N = 2^17, r = 8, p = 1: a try takes 128 MiB (128 * N * r) and about 0.4 s of a core; N is the
 * largest power of two that asks no more memory than a small host can spare at a start, and four
 * times what RFC 7914's author proposed for interactive use twice over since (2^14 in 2009).
 */
enum slot_kind { SLOT_SCRYPT, SLOT_KEYFILE, SLOT_RECOVERY, SLOT_KINDS };

enum { SLOT_SCRYPT_N = 1 << 17, SLOT_SCRYPT_R = 8, SLOT_SCRYPT_P = 1 };

/* What a file may ask for: 1 GiB (128 * N * r), and four times over. */
enum { SLOT_N_MAX = 1 << 20, SLOT_R_MAX = 8, SLOT_P_MAX = 4 };

enum { SLOT_SALT = 16, SLOT_LABEL_MAX = 64 };

struct slot {
	enum slot_kind kind;
	unsigned char salt[SLOT_SALT];
	int64_t n, r, p; /* of scrypt; else 0 */
	unsigned char box[CIPHER_KEY + CIPHER_BOX];
	char label[SLOT_LABEL_MAX + 1];
	char created[CLOCK_TEXT_SIZE];
};

struct slot_options {
	enum slot_kind kind;
	const struct secret *secret;
	const char *label;
	int64_t scrypt_n; /* 0: SLOT_SCRYPT_N */
};

/**
 * slot_make(o, master, ret_slot, e):
 * A new slot.  ${o->scrypt_n}: scrypt's N, a power of two.  ERR_INVALID: the label is too long or
 * no text, or the secret is not of that kind.
 */
int slot_make(const struct slot_options *o, const unsigned char master[CIPHER_KEY],
	struct slot *ret_slot, struct err *e);

/* Whether the secret opens it: 1 with the master key, 0, -1 (no memory for scrypt). */
int slot_open(const struct slot *s, const struct secret *secret,
	unsigned char ret_master[CIPHER_KEY], struct err *e);

/* The ${len} bytes whose hexadecimal digits are the member ${name}: false if it is nothing else. */
bool slot_hex(const json_t *from, const char *name, unsigned char *to, size_t len);

/* For a list: without what is secret or of no use to a reader if ${brief}. */
json_t *slot_json(const struct slot *s, bool brief);
/* ERR_CORRUPT */
int slot_parse(const json_t *from, struct slot *ret_slot, struct err *e);

#endif
