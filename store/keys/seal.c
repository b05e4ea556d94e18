#include "store/keys/seal.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

static_assert((int)CIPHER_KEY == (int)RECORD_ID_SIZE, "a pack's id holds an HMAC");

enum { KEPT = 64, CLOSED = KEPT + CIPHER_TAG, BLOCK = 16 };
enum purpose { HEADER, FRAME };

static_assert(CLOSED + CIPHER_TAG == RECORD_SIZE, "a header keeps its length");

struct seal {
	unsigned char uuid[RECORD_UUID_SIZE];
	unsigned char key[CIPHER_KEY];
	unsigned char head[CIPHER_KEY]; /* of the HMAC in the pack's own record */
	EVP_CIPHER_CTX *in, *out;
};

/* Of these calls none fails but for want of memory. */
static void
seal_sure(int done)
{
	if (done != 1)
		abort();
}

struct seal *
seal_new(const struct cipher *c, const unsigned char uuid[RECORD_UUID_SIZE])
{
	if (c == NULL)
		return NULL;
	struct seal *s = mem_new(sizeof(*s));

	memcpy(s->uuid, uuid, RECORD_UUID_SIZE);
	cipher_derive(c->packs, CIPHER_KEY, uuid, "fuel-backup 1 pack", s->key);
	cipher_derive(c->packs, CIPHER_KEY, uuid, "fuel-backup 1 pack head", s->head);
	s->in = EVP_CIPHER_CTX_new();
	s->out = EVP_CIPHER_CTX_new();
	seal_sure(s->in != NULL && s->out != NULL);
	seal_sure(EVP_CipherInit_ex2(s->out, EVP_aes_256_gcm(), s->key, NULL, 1, NULL));
	seal_sure(EVP_CipherInit_ex2(s->in, EVP_aes_256_gcm(), s->key, NULL, 0, NULL));
	return s;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	EVP_CIPHER_CTX_free(s->in);
	EVP_CIPHER_CTX_free(s->out);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

void
seal_settle(struct seal **at, const struct cipher *c, const unsigned char uuid[RECORD_UUID_SIZE])
{
	if (*at != NULL && memcmp((*at)->uuid, uuid, RECORD_UUID_SIZE) == 0)
		return;
	seal_free(*at);
	*at = seal_new(c, uuid);
}

/* The id of the pack's own record. */
static void
pack_id(struct seal *s, struct record *r)
{
	unsigned char bytes[RECORD_SIZE];

	memset(r->id, 0, sizeof(r->id));
	r->sealed = true;
	record_encode(r, bytes);
	cipher_mac(s->head, bytes, sizeof(bytes), r->id);
}

void
seal_pack(struct seal *s, const struct record *r, unsigned char to[RECORD_SIZE])
{
	struct record head = *r;

	if (s != NULL)
		pack_id(s, &head);
	record_encode(&head, to);
}

int
seal_pack_check(struct seal *s, const struct record *r, struct err *e)
{
	struct record expected = *r;

	if (s == NULL && r->sealed)
		return err_set(e, ERR_DENIED,
			"a pack is encrypted and the store has no file `keys`: put a copy of it "
			"back");
	if (s == NULL)
		return 0;
	if (!r->sealed)
		return err_set(e, ERR_DENIED, "a pack of an encrypted store is not encrypted");
	pack_id(s, &expected);
	if (!equal_constant_time(expected.id, r->id, sizeof(r->id)))
		return err_set(e, ERR_CORRUPT, "a pack was made with other keys, or is damaged");
	return 0;
}

static void
nonce_of(uint32_t ordinal, enum purpose purpose, unsigned char nonce[CIPHER_NONCE])
{
	memset(nonce, 0, CIPHER_NONCE);
	for (int i = 0; i < 4; i++)
		nonce[i] = (unsigned char)(ordinal >> 8 * i);
	nonce[4] = (unsigned char)purpose;
}

static void
encrypt(EVP_CIPHER_CTX *ctx, const unsigned char *nonce, const unsigned char *bound,
	size_t bound_len, const void *data, size_t len, unsigned char *to)
{
	int n = 0;
	int end = 0;

	seal_sure(EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 1, NULL));
	seal_sure(EVP_CipherUpdate(ctx, NULL, &n, bound, (int)bound_len));
	n = 0;
	if (len > 0)
		seal_sure(EVP_CipherUpdate(ctx, to, &n, data, (int)len));
	seal_sure(EVP_CipherFinal_ex(ctx, to + n, &end));
}

/* In place; false if it is not what was encrypted. */
static bool
decrypt(EVP_CIPHER_CTX *ctx, const unsigned char *nonce, const unsigned char *bound,
	size_t bound_len, unsigned char *data, size_t len, const unsigned char *tag)
{
	unsigned char expected[CIPHER_TAG];
	int n = 0;
	int end = 0;

	memcpy(expected, tag, sizeof(expected));
	seal_sure(EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 0, NULL));
	seal_sure(EVP_CipherUpdate(ctx, NULL, &n, bound, (int)bound_len));
	n = 0;
	if (len > 0)
		seal_sure(EVP_CipherUpdate(ctx, data, &n, data, (int)len));
	seal_sure(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG, expected));
	return EVP_CipherFinal_ex(ctx, data + n, &end) == 1;
}

static void
tag_take(EVP_CIPHER_CTX *ctx, unsigned char *to)
{
	seal_sure(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG, to));
}

void
seal_write(struct seal *s, const struct record *r, const void *frame, unsigned char *to)
{
	unsigned char header[RECORD_SIZE];
	unsigned char nonce[CIPHER_NONCE];

	if (s == NULL) {
		record_encode(r, to);
		memcpy(to + RECORD_SIZE, frame, r->stored_len);
		return;
	}
	assert(r->stored_len <= INT_MAX);
	record_encode(r, header);
	nonce_of(r->ordinal, FRAME, nonce);
	encrypt(s->out, nonce, header, KEPT, frame, r->stored_len, to + RECORD_SIZE);
	tag_take(s->out, header + KEPT);
	nonce_of(r->ordinal, HEADER, nonce);
	encrypt(s->out, nonce, s->uuid, sizeof(s->uuid), header, CLOSED, to);
	tag_take(s->out, to + CLOSED);
}

int
seal_read_header(struct seal *s, uint32_t ordinal, unsigned char header[RECORD_SIZE],
	unsigned char ret_tag[CIPHER_TAG], struct err *e)
{
	unsigned char nonce[CIPHER_NONCE];
	struct record r;

	if (s == NULL)
		return 0;
	nonce_of(ordinal, HEADER, nonce);
	if (!decrypt(s->in, nonce, s->uuid, sizeof(s->uuid), header, CLOSED, header + CLOSED))
		return err_set(e, ERR_CORRUPT, "no record with this pack's key stands here");
	memcpy(ret_tag, header + KEPT, CIPHER_TAG);
	record_mend(header, s->uuid);
	if (record_decode(header, &r, e) != 0)
		return -1;
	if (r.ordinal != ordinal || r.sealed)
		return err_set(e, ERR_CORRUPT, "a record has another's ordinal");
	return 0;
}

int
seal_read_frame(struct seal *s, const unsigned char header[RECORD_SIZE],
	const unsigned char tag[CIPHER_TAG], unsigned char *frame, size_t len, struct err *e)
{
	unsigned char nonce[CIPHER_NONCE];
	struct record r;

	if (s == NULL)
		return 0;
	if (record_decode(header, &r, e) != 0)
		return -1;
	nonce_of(r.ordinal, FRAME, nonce);
	if (r.stored_len != len || !decrypt(s->in, nonce, header, KEPT, frame, len, tag))
		return err_set(e, ERR_CORRUPT, "a record's frame does not authenticate");
	return 0;
}

int
seal_read(struct seal *s, uint32_t ordinal, unsigned char *bytes, size_t len, struct err *e)
{
	unsigned char tag[CIPHER_TAG];

	assert(len >= RECORD_SIZE);
	if (seal_read_header(s, ordinal, bytes, tag, e) != 0)
		return -1;
	return seal_read_frame(s, bytes, tag, bytes + RECORD_SIZE, len - RECORD_SIZE, e);
}

/* What GCM adds to the first block: the block cipher of nonce and counter, which begins at 2. */
void
seal_beacons(struct seal *s, uint32_t first, size_t count, unsigned char *to)
{
	unsigned char *blocks = mem_array(NULL, count + 1, BLOCK);
	EVP_CIPHER_CTX *ecb = EVP_CIPHER_CTX_new();
	unsigned char header[RECORD_SIZE];
	int n = 0;

	assert(count <= INT_MAX / BLOCK);
	record_encode(&(struct record){.type = RECORD_CHUNK}, header);
	for (size_t i = 0; i < count; i++) {
		nonce_of(first + (uint32_t)i, HEADER, blocks + i * BLOCK);
		memcpy(blocks + i * BLOCK + CIPHER_NONCE, "\0\0\0\2", BLOCK - CIPHER_NONCE);
	}
	seal_sure(ecb != NULL &&
		  EVP_EncryptInit_ex2(ecb, EVP_aes_256_ecb(), s->key, NULL, NULL) == 1);
	if (count > 0)
		seal_sure(EVP_EncryptUpdate(ecb, blocks, &n, blocks, (int)(count * BLOCK)));
	EVP_CIPHER_CTX_free(ecb);
	for (size_t i = 0; i < count * SEAL_BEACON; i++)
		to[i] = blocks[i / SEAL_BEACON * BLOCK + i % SEAL_BEACON] ^ header[i % SEAL_BEACON];
	free(blocks);
}
