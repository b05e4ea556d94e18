#include "store/packs/codec.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"

static_assert(FRAME_MAX == ZSTD_COMPRESSBOUND(CHUNK_MAX), "a frame's bound is zstd's");

/* Level 3 saves 7 % more and takes twice as long (docs/design/design.md section 5). */
enum { LEVEL = 1 };

struct codec {
	ZSTD_CCtx *cctx; /* NULL until something is compressed */
	ZSTD_DCtx *dctx; /* as plain */
	EVP_MD *sha256;
	EVP_MD_CTX *hash;
	EVP_MAC_CTX *mac; /* with its key, or NULL: ids are plain hashes */
	unsigned char *frame;
	unsigned char *plain; /* NULL until something is decompressed */
};

/* The libraries return NULL here only when memory is exhausted. */
static void *
codec_present(void *object)
{
	if (object == NULL)
		abort();
	return object;
}

static EVP_MAC_CTX *
mac_new(const unsigned char key[CIPHER_KEY])
{
	EVP_MAC *hmac = codec_present(EVP_MAC_fetch(NULL, "HMAC", NULL));
	EVP_MAC_CTX *mac = codec_present(EVP_MAC_CTX_new(hmac));
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	if (EVP_MAC_init(mac, key, CIPHER_KEY, params) != 1)
		abort();
	EVP_MAC_free(hmac);
	return mac;
}

struct codec *
codec_new(const struct cipher *cipher)
{
	struct codec *c = mem_new(sizeof(*c));

	c->sha256 = codec_present(EVP_MD_fetch(NULL, "SHA256", NULL));
	c->hash = codec_present(EVP_MD_CTX_new());
	if (cipher != NULL)
		c->mac = mac_new(cipher->ids);
	return c;
}

void
codec_free(struct codec *c)
{
	if (c == NULL)
		return;
	(void)ZSTD_freeCCtx(c->cctx);
	(void)ZSTD_freeDCtx(c->dctx);
	EVP_MD_CTX_free(c->hash);
	EVP_MD_free(c->sha256);
	EVP_MAC_CTX_free(c->mac);
	free(c->frame);
	free(c->plain);
	free(c);
}

void
codec_free_at(struct codec **c)
{
	codec_free(*c);
}

void
codec_id(struct codec *c, const void *data, size_t len, unsigned char id[RECORD_ID_SIZE])
{
	size_t n = 0;

	if (c->mac != NULL) {
		if (EVP_MAC_init(c->mac, NULL, 0, NULL) != 1 ||
			EVP_MAC_update(c->mac, data, len) != 1 ||
			EVP_MAC_final(c->mac, id, &n, RECORD_ID_SIZE) != 1)
			abort();
		return;
	}
	if (EVP_DigestInit_ex2(c->hash, c->sha256, NULL) != 1 ||
		EVP_DigestUpdate(c->hash, data, len) != 1 ||
		EVP_DigestFinal_ex(c->hash, id, NULL) != 1)
		abort();
}

static void
compressor_start(struct codec *c)
{
	c->cctx = codec_present(ZSTD_createCCtx());
	c->frame = mem_new(FRAME_MAX);
	(void)ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_compressionLevel, LEVEL);
	(void)ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_checksumFlag, 1);
}

int
codec_compress(struct codec *c, const void *data, size_t len, const void **ret_frame,
	size_t *ret_frame_len, struct err *e)
{
	assert(len <= CHUNK_MAX);
	if (c->cctx == NULL)
		compressor_start(c);
	const size_t n = ZSTD_compress2(c->cctx, c->frame, FRAME_MAX, data, len);
	if (ZSTD_isError(n) != 0)
		return err_set(e, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
	const void *back = codec_expand(c, c->frame, n, len, e);
	if (back == NULL)
		return err_prefix(e, "verifying a compressed chunk");
	if (len > 0 && memcmp(back, data, len) != 0)
		return err_set(e, ERR_CORRUPT,
			"a compressed chunk does not decompress to its bytes: check the memory");
	*ret_frame = c->frame;
	*ret_frame_len = n;
	return 0;
}

const void *
codec_expand(struct codec *c, const void *frame, size_t frame_len, size_t plain_len, struct err *e)
{
	if (c->dctx == NULL) {
		c->dctx = codec_present(ZSTD_createDCtx());
		c->plain = mem_new(CHUNK_MAX);
	}
	const size_t n = ZSTD_decompressDCtx(c->dctx, c->plain, CHUNK_MAX, frame, frame_len);

	/* The one bit of a frame that a decoder ignores is 0 (RFC 8878 section 3.1.1.1.1.3): a flip
	 * of it is damage as any other. */
	const bool ignored = frame_len > 4 && (((const unsigned char *)frame)[4] & 0x10) != 0;
	if (ZSTD_isError(n) == 0 && n == plain_len && !ignored)
		return c->plain;
	(void)err_set(e, ERR_CORRUPT, "a stored frame does not decompress: %s",
		ZSTD_isError(n) != 0 ? ZSTD_getErrorName(n)
		: ignored	     ? "an unused bit is set"
				     : "wrong length");
	return NULL;
}
