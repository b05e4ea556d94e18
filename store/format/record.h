#ifndef STORE_FORMAT_RECORD_H
#define STORE_FORMAT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * What a pack is made of: a 96-byte header, then ${stored_len} bytes (of a zstd frame).  The header
 * is itself a zstd skippable frame, so that an unencrypted pack is valid zstd as it is.
 *
 *	 0 u32 magic 0x184D2A5B		24 u32 plain length
 *	 4 u32 88, the frame's length	28 u32 stored length
 *	 8 u8  version (1)		32 32  id
 *	 9 u8  type			64 16  uuid of the pack
 *	10 u16 flags (0)		80 12  zero
 *	12 u32 ordinal in the pack	92 u32 CRC-32C of bytes 0..91
 *	16 u64 number
 *
 * All numbers little-endian.  A version or flag that is not known is refused; an unknown type is
 * skipped by its stored length.  Flag 1, of the pack's own record only: the others are encrypted,
 * see seal.h.
 *
 * type	     number		   id			  frame holds
 * pack	     time of making, ns    zero; encrypted: an HMAC	  nothing; always the first record
 * chunk     the chunk's number	   SHA-256 of the plain	  the chunk
 * recipe    part | parts << 32	   SHA-256 of all parts	  a part of a backup's recipe (commit.c)
 * listing   -			   -			  not written yet
 * deletion  0			   SHA-256 of the plain	  a deleted backup's id and time: a rebuild
 *							  takes no recipe of it (tombstones.h)
 * padding   0			   zero			  zeros, not compressed: the last record of
 *							  an encrypted pack, to a multiple of 64 KiB
 */
enum record_type {
	RECORD_PACK = 1,
	RECORD_CHUNK = 2,
	RECORD_RECIPE = 3,
	RECORD_LISTING = 4,
	RECORD_DELETION = 5,
	RECORD_PADDING = 6
};

enum { RECORD_SIZE = 96, RECORD_ID_SIZE = 32, RECORD_UUID_SIZE = 16 };

struct record {
	unsigned type; /* 1..255, see enum record_type */
	bool sealed;   /* flag 1 */
	uint32_t ordinal;
	uint64_t number;
	uint32_t plain_len;
	uint32_t stored_len;
	unsigned char id[RECORD_ID_SIZE];
	unsigned char pack[RECORD_UUID_SIZE];
};

/**
 * record_encode(r, to), record_decode(from, ret_record, e):
 * To and from bytes; pure.  Errors: ERR_CORRUPT (not a record, or a wrong checksum),
 * ERR_UNSUPPORTED (a valid record of a newer version).
 */
void record_encode(const struct record *r, unsigned char to[RECORD_SIZE]);
int record_decode(const unsigned char from[RECORD_SIZE], struct record *ret_record, struct err *e);

/* Make up, behind bytes 0..63 of an encoded record of the pack ${uuid}, the rest of it. */
void record_mend(unsigned char bytes[RECORD_SIZE], const unsigned char uuid[RECORD_UUID_SIZE]);

#endif
