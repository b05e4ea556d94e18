#ifndef STORE_KEYS_SEAL_H
#define STORE_KEYS_SEAL_H

#include "store/format/record.h"
#include "store/keys/cipher.h"

/*
 * One pack's key, and its records as they stand on disk in an encrypted store.
 *
 * The key is HKDF-SHA256 of the store's `packs` key, with the pack's uuid (128 random bits) as
 * salt; so is, by another name, the key of the HMAC that is the id of the pack's own record.  That
 * one, the first 96 bytes, is in clear and has flag 1.  Every other record is as long as it would
 * be in a plain store, and does not show where it begins:
 *
 *	 0 80  AES-256-GCM of: bytes 0..63 of the plain header (record.h), the 16-byte tag of the
 *	       frame.  Nonce: ordinal, 0.  Authenticated with it: the pack's uuid
 *	80 16  its tag
 *	96     AES-256-GCM of the frame.  Nonce: ordinal, 1.  Authenticated with it: bytes 0..63 of
 *	       the plain header
 *
 * A nonce is 12 bytes: u32 ordinal, u32 0 or 1, u32 zero, little-endian.
 *
 * Why no (key, nonce) ever encrypts two plaintexts, which would break GCM:
 *
 * 1. seal_write is what encrypts, and packs_append alone calls it.  It takes the ordinal from
 *    p->ordinal++, whatever becomes of the write after; one session at a time has the struct pack.
 * 2. A struct pack is made by packs_create alone, for a file that it has just made (O_EXCL) under a
 *    uuid that it has just drawn: 128 bits of getrandom, 2^-65 for any two alike among 2^32 packs.
 *    Nothing makes one of a file that is there.  So each key is used by one struct pack, from
 *    ordinal 1 on, and lost for writing with it.
 * 3. Hence no crash, fault or cut can bring an ordinal back.  What a crash leaves open, recovery
 *    reads, cuts and seals, and rebuild only reads; a poisoned pack is cut and sealed.  A record
 *    that was cut off, durable or not, had an ordinal that no other record under that key will
 *    have: that pack is never appended to again.
 * 4. What is stored again (moved by a sweep, healed under its old number, resumed after a crash)
 *    is a new record of the present pack: it has another key, or a later ordinal.
 * 5. Bytes may be written twice to the same place (a short write is continued): the same ones,
 *    for the batch holds what is encrypted already.
 * 6. Copies of a store folder, and a folder that was set back to an older copy, share the `packs`
 *    key and all old packs; they write to none of these (3), and to new ones of uuids of their own.
 *
 * What it rests on besides: a process's memory is not set back or copied and then goes on twice, as
 * snapshots of virtual machines with their memory do (docs/security.md).  Of one key there are two
 * uses for each of a pack's records, far from GCM's limit of 2^32.
 *
 * Whoever reads knows the ordinal: from the catalogue, by counting, or from header_search.h.  What
 * has been opened is a plain record again, header and all.  A struct seal that is NULL is a plain
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
