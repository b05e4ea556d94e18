#include "store/keys/cipher.h"

#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

enum { SALT = 16 };

static void
cipher_sure(int done)
{
	if (done != 1)
		abort();
}

struct cipher *
cipher_new(const unsigned char master[CIPHER_KEY])
{
	struct cipher *c = mem_new(sizeof(*c));

	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 ids", c->ids);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 packs", c->packs);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 rows", c->rows);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 names", c->names);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 keyfile", c->keyfile);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 catalogue", c->catalogue);
	cipher_derive(master, CIPHER_KEY, NULL, "fuel-backup 1 copies", c->copies);
	return c;
}

void
cipher_free(struct cipher *c)
{
	if (c == NULL)
		return;
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

int
cipher_catalogue(const struct cipher *c)
{
	if (c == NULL)
		return 0;
	const int mark = (c->catalogue[0] & 0x7F) << 24 | c->catalogue[1] << 16 |
			 c->catalogue[2] << 8 | c->catalogue[3];
	return mark == 0 ? 1 : mark;
}

/* libcrypto's parameters have no const; it does not write through these. */
static OSSL_PARAM
octets(const char *name, const void *data, size_t len)
{
	union {
		const void *from;
		void *to;
	} pointer = {.from = data};

	return OSSL_PARAM_construct_octet_string(name, pointer.to, len);
}

void
cipher_derive(const unsigned char *key, size_t key_len, const unsigned char *salt, const char *info,
	unsigned char to[CIPHER_KEY])
{
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = hkdf == NULL ? NULL : EVP_KDF_CTX_new(hkdf);
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		octets(OSSL_KDF_PARAM_KEY, key, key_len),
		octets(OSSL_KDF_PARAM_INFO, info, strlen(info)),
		salt == NULL ? OSSL_PARAM_construct_end() : octets(OSSL_KDF_PARAM_SALT, salt, SALT),
		OSSL_PARAM_construct_end(),
	};

	cipher_sure(ctx != NULL && EVP_KDF_derive(ctx, to, CIPHER_KEY, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(hkdf);
}

void
cipher_mac(const unsigned char key[CIPHER_KEY], const void *data, size_t len,
	unsigned char to[CIPHER_KEY])
{
	cipher_sure(HMAC(EVP_sha256(), key, CIPHER_KEY, data, len, to, NULL) != NULL);
}

static EVP_CIPHER_CTX *
gcm_start(const unsigned char *key, const unsigned char *nonce, const char *bound, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	cipher_sure(ctx != NULL);
	cipher_sure(EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key, nonce, encrypt, NULL));
	cipher_sure(EVP_CipherUpdate(
		ctx, NULL, &n, (const unsigned char *)bound, (int)strnlen(bound, INT_MAX)));
	return ctx;
}

void
cipher_box(const unsigned char key[CIPHER_KEY], const char *bound, const void *data, size_t len,
	unsigned char *to)
{
	unsigned char *content = to + CIPHER_NONCE;
	int n = 0;

	assert(len <= INT_MAX);
	random_bytes(to, CIPHER_NONCE);
	EVP_CIPHER_CTX *ctx = gcm_start(key, to, bound, 1);
	cipher_sure(EVP_CipherUpdate(ctx, content, &n, data, (int)len));
	cipher_sure(EVP_CipherFinal_ex(ctx, content + n, &n));
	cipher_sure(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG, content + len));
	EVP_CIPHER_CTX_free(ctx);
}

bool
cipher_unbox(const unsigned char key[CIPHER_KEY], const char *bound, const unsigned char *box,
	size_t len, unsigned char *to)
{
	unsigned char tag[CIPHER_TAG];
	int n = 0;

	if (len < CIPHER_BOX || len > INT_MAX)
		return false;
	const size_t content = len - CIPHER_BOX;
	memcpy(tag, box + len - CIPHER_TAG, CIPHER_TAG);
	EVP_CIPHER_CTX *ctx = gcm_start(key, box, bound, 0);
	cipher_sure(EVP_CipherUpdate(ctx, to, &n, box + CIPHER_NONCE, (int)content));
	cipher_sure(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG, tag));
	const bool valid = EVP_CipherFinal_ex(ctx, to + n, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!valid)
		OPENSSL_cleanse(to, content);
	return valid;
}
