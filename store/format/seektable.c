#include "store/format/seektable.h"

#include <endian.h>
#include <string.h>

static const uint32_t SKIPPABLE_MAGIC = 0x184D2A5E;
static const uint32_t SEEKABLE_MAGIC = 0x8F92EAB1;

static void
put32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof(value));
}

int64_t
seektable_bytes(uint64_t frames)
{
	if (frames > SEEKTABLE_MAX_FRAMES)
		return 0;
	return SEEKTABLE_HEAD + (int64_t)frames * SEEKTABLE_ENTRY + SEEKTABLE_FOOT;
}

void
seektable_head(uint64_t frames, unsigned char to[SEEKTABLE_HEAD])
{
	put32(to, SKIPPABLE_MAGIC);
	put32(to + 4, (uint32_t)(seektable_bytes(frames) - SEEKTABLE_HEAD));
}

void
seektable_entry(uint32_t stored_len, uint32_t plain_len, unsigned char to[SEEKTABLE_ENTRY])
{
	put32(to, stored_len);
	put32(to + 4, plain_len);
}

void
seektable_foot(uint64_t frames, unsigned char to[SEEKTABLE_FOOT])
{
	put32(to, (uint32_t)frames);
	to[4] = 0; /* no checksums */
	put32(to + 5, SEEKABLE_MAGIC);
}
