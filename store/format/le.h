#ifndef STORE_FORMAT_LE_H
#define STORE_FORMAT_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Numbers as they stand in packs: little-endian, at any address. */

static inline void
le_put32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof(value));
}

static inline void
le_put64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint32_t
le_get32(const unsigned char *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static inline uint64_t
le_get64(const unsigned char *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return le64toh(value);
}

#endif
