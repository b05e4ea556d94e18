#ifndef STORE_PACKS_PAYLOAD_H
#define STORE_PACKS_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/format/record.h"

/*
 * The record of a backup in a pack, from which a catalogue can be made again: the bytes
 *
 *	 0 u8  version (2)		12 u32 length of the record
 *	 1 u8  zero (three bytes)	16 u64 length of the encoded recipe
 *	 4 u32 its place in the order of all, 0: not known
 *	 8 u32 length of the id		24 u64 time of the backup, ns since 1970
 *	32 the id, the record (JSON text), the encoded recipe
 *
 * little-endian.  Version 1 had no time: there the head ends at 24, and the time is that of the id,
 * whole seconds.  The bytes are cut into parts of CHUNK_MAX bytes.  Each part is a record of type
 * RECORD_RECIPE, all of them one behind the other in one pack: id = SHA-256 of all the bytes,
 * number = part | parts << 32.
 */
struct payload {
	const char *id; /* in a decoded one, neither text ends with a NUL */
	size_t id_len;
	const char *record;
	size_t record_len;
	const void *recipe; /* encoded */
	size_t recipe_len;
	int64_t created_ns;
	uint32_t seq; /* 0: not known */
	bool undated; /* of version 1 */
};

/* The bytes; the caller's to free. */
unsigned char *payload_encode(const struct payload *p, size_t *ret_len);

/* What stands there for ${seq} of the catalogue. */
uint32_t payload_seq(int64_t seq);

/* Borrows ${data}.  ERR_CORRUPT, ERR_UNSUPPORTED (another version). */
int payload_decode(
	const unsigned char *data, size_t len, struct payload *ret_payload, struct err *e);

/* How many parts ${len} bytes have, and the head of the record of part ${part} without its
 * ${stored_len}; the id is the caller's to fill in. */
uint64_t payload_parts(size_t len);
struct record payload_part(size_t len, uint64_t part);

/* The most that the records of ${len} bytes take. */
int64_t payload_room(size_t len);

#endif
