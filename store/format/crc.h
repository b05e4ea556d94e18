#ifndef STORE_FORMAT_CRC_H
#define STORE_FORMAT_CRC_H

#include <stddef.h>
#include <stdint.h>

/**
 * crc32c(data, len):
 * The CRC-32C of ${len} bytes (Castagnoli polynomial, reflected, as in RFC 3720 appendix B.4).
 * One table look-up per byte: it only ever sees record headers of 96 bytes.  Thread-safe.
 */
uint32_t crc32c(const void *data, size_t len);

#endif
