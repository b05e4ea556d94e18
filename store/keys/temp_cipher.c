#include "store/keys/temp_cipher.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/mem.h"

enum { KEY = 32, BLOCK = 16 };

struct temp_cipher {
	unsigned char key[KEY];
};

struct temp_cipher *
temp_cipher_new(void)
{
	struct temp_cipher *s = mem_new(sizeof(*s));

	random_bytes(s->key, sizeof(s->key));
	return s;
}

void
temp_cipher_free(struct temp_cipher *s)
{
	if (s == NULL)
		return;
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

/* Of these calls none fails but for want of memory. */
static void
temp_cipher_sure(int done)
{
	if (done != 1)
		abort();
}

void
temp_cipher_turn(
	const struct temp_cipher *s, int64_t offset, const void *from, size_t len, void *to)
{
	const uint64_t block = (uint64_t)offset / BLOCK;
	unsigned char counter[BLOCK] = {0};
	unsigned char before[BLOCK] = {0};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	assert(offset >= 0 && len <= INT_MAX);
	for (size_t i = 0; i < sizeof(block); i++)
		counter[BLOCK - 1 - i] = (unsigned char)(block >> 8 * i);
	temp_cipher_sure(ctx != NULL);
	temp_cipher_sure(EVP_EncryptInit_ex2(ctx, EVP_aes_256_ctr(), s->key, counter, NULL));
	temp_cipher_sure(EVP_EncryptUpdate(ctx, before, &n, before, (int)(offset % BLOCK)));
	temp_cipher_sure(EVP_EncryptUpdate(ctx, to, &n, from, (int)len));
	EVP_CIPHER_CTX_free(ctx);
}
