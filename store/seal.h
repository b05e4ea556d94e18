#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "store/cipher.h"
#include "store/record.h"

/*
 * One pack's key, and its records as they stand on disk in an encrypted store.
 *
 * The key is HKDF-SHA256 of the store's `packs` key, with the pack's uuid (128 random bits) as
 *salt. The pack's own record, its first 96 bytes, is in clear, with flag 1 and an HMAC as its id.
 *Every other record is as long as it would be in a plain store, and does not show where it begins:
 *
 *	 0 80  AES-256-GCM of: bytes 0..63 of the plain header (record.h), the 16-byte tag of the
 *	       frame.  Nonce: ordinal, 0.  Authenticated with it: the pack's uuid
 *	80 16  its tag
 *	96     AES-256-GCM of the frame.  Nonce: ordinal, 1.  Authenticated with it: bytes 0..63 of
 *	       the plain header
 *
 * A nonce is 12 bytes: u32 ordinal, u32 0 or 1, u32 zero, little-endian.  No ordinal is used twice
 * with one key: within a process packs_append counts them, and a pack found open at a start is
 * never appended to again (session.c, 8).  Of one key there are at most two uses for each of a
 * pack's records, far from GCM's limit of 2^32.
 *
 * Whoever reads knows the ordinal: from the catalogue, by counting, or from beacons.h.  What has
 * been opened is a plain record again, header and all.  A struct seal that is NULL is a plain
 * pack's: writing and reading then change nothing.  One thread at a time.
 */
struct seal;

/* NULL if ${c} is. */
struct seal *seal_new(const struct cipher *c, const unsigned char uuid[RECORD_UUID_SIZE]);
void seal_free(struct seal *s);

/* See to it that *${at} is the seal of that pack, keeping it if it is already. */
void seal_settle(
	struct seal **at, const struct cipher *c, const unsigned char uuid[RECORD_UUID_SIZE]);

/* The pack's own record, of ${r}: its type, number and pack are filled in. */
void seal_pack(struct seal *s, const struct record *r, unsigned char to[RECORD_SIZE]);

/**
 * seal_pack_check(s, r, e):
 * Whether ${r}, a decoded record of type RECORD_PACK, is of such a pack.  ERR_DENIED: one is
 * encrypted and the other is not.  ERR_CORRUPT: it is of other keys, or damaged.
 */
int seal_pack_check(struct seal *s, const struct record *r, struct err *e);

/* Record ${r} with its frame, to RECORD_SIZE + ${r->stored_len} bytes. */
void seal_write(struct seal *s, const struct record *r, const void *frame, unsigned char *to);

/**
 * seal_read(s, ordinal, bytes, len, e), seal_read_header(s, ordinal, header, ret_tag, e),
 * seal_read_frame(s, header, tag, frame, len, e):
 * Make a plain record of what was read, in place: all of its ${len} bytes, or first its header and
 * then, with what that gave, its frame.  ERR_CORRUPT; the bytes are of no use then.
 */
int seal_read(struct seal *s, uint32_t ordinal, unsigned char *bytes, size_t len, struct err *e);
int seal_read_header(struct seal *s, uint32_t ordinal, unsigned char header[RECORD_SIZE],
	unsigned char ret_tag[CIPHER_TAG], struct err *e);
int seal_read_frame(struct seal *s, const unsigned char header[RECORD_SIZE],
	const unsigned char tag[CIPHER_TAG], unsigned char *frame, size_t len, struct err *e);

/* How a header begins that was written with each of ${count} ordinals from ${first} on, 8 bytes. */
enum { SEAL_BEACON = 8 };
void seal_beacons(struct seal *s, uint32_t first, size_t count, unsigned char *to);

#endif
