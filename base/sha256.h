#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>

enum { SHA256_HEX_SIZE = 2 * 32 + 1 };

/* The lower-case hex SHA-256 of ${len} bytes.  Thread-safe. */
void sha256_hex(const void *data, size_t len, char hex[SHA256_HEX_SIZE]);

#endif
