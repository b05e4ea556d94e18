#include "store/format/record.h"

#include <string.h>

#include "store/format/crc.h"
#include "store/format/le.h"

/*
 * One of the sixteen magics of skippable frames (RFC 8878 section 3.1.2); 0 is pzstd's and E the
 * seek table's.
 */
static const uint32_t MAGIC = 0x184D2A5B;
enum { VERSION = 1, FRAME_HEAD = 8, FLAG_SEALED = 1 };

void
record_encode(const struct record *r, unsigned char to[RECORD_SIZE])
{
	memset(to, 0, RECORD_SIZE);
	le_put32(to, MAGIC);
	le_put32(to + 4, RECORD_SIZE - FRAME_HEAD);
	to[8] = VERSION;
	to[9] = (unsigned char)r->type;
	to[10] = r->sealed ? FLAG_SEALED : 0;
	le_put32(to + 12, r->ordinal);
	le_put64(to + 16, r->number);
	le_put32(to + 24, r->plain_len);
	le_put32(to + 28, r->stored_len);
	memcpy(to + 32, r->id, RECORD_ID_SIZE);
	memcpy(to + 64, r->pack, RECORD_UUID_SIZE);
	le_put32(to + 92, crc32c(to, 92));
}

void
record_mend(unsigned char bytes[RECORD_SIZE], const unsigned char uuid[RECORD_UUID_SIZE])
{
	memset(bytes + 64, 0, RECORD_SIZE - 64);
	memcpy(bytes + 64, uuid, RECORD_UUID_SIZE);
	le_put32(bytes + 92, crc32c(bytes, 92));
}

int
record_decode(const unsigned char from[RECORD_SIZE], struct record *ret_record, struct err *e)
{
	if (le_get32(from) != MAGIC || le_get32(from + 4) != RECORD_SIZE - FRAME_HEAD)
		return err_set(e, ERR_CORRUPT, "no record of a pack stands here");
	if (le_get32(from + 92) != crc32c(from, 92))
		return err_set(e, ERR_CORRUPT, "a record's header has a wrong checksum");
	const unsigned char known = from[9] == RECORD_PACK ? FLAG_SEALED : 0;
	if (from[8] != VERSION || (from[10] & ~known) != 0 || from[11] != 0)
		return err_set(e, ERR_UNSUPPORTED,
			"a record has version %d and flags %02x%02x: made by a newer version",
			from[8], from[11], from[10]);
	*ret_record = (struct record){
		.type = from[9],
		.sealed = from[10] != 0,
		.ordinal = le_get32(from + 12),
		.number = le_get64(from + 16),
		.plain_len = le_get32(from + 24),
		.stored_len = le_get32(from + 28),
	};
	memcpy(ret_record->id, from + 32, RECORD_ID_SIZE);
	memcpy(ret_record->pack, from + 64, RECORD_UUID_SIZE);
	return 0;
}
