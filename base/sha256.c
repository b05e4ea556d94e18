#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/id.h"

void
sha256_hex(const void *data, size_t len, char hex[SHA256_HEX_SIZE])
{
	unsigned char hash[32];

	if (EVP_Digest(data, len, hash, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* only without memory */
	(void)hex_text(hash, sizeof(hash), hex);
}
