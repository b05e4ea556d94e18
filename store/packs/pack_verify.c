#include "store/packs/pack_verify.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/packs/resync.h"

enum { VERIFY_BLOCK = 1 << 20 };

struct verify {
	struct codec *codec;
	struct seal *seal;
	unsigned char *frame;
	unsigned char *block;
	EVP_MD_CTX *digest;
};

static void
verify_free_at(struct verify *v)
{
	codec_free(v->codec);
	seal_free(v->seal);
	free(v->frame);
	free(v->block);
	EVP_MD_CTX_free(v->digest);
}

static void
verify_sure(int done)
{
	if (done != 1)
		abort(); /* out of memory */
}

static int
pack_hash(struct verify *v, const struct io *io, int fd, int64_t bytes,
	unsigned char hash[PACK_HASH], struct err *e)
{
	verify_sure(EVP_DigestInit_ex(v->digest, EVP_sha256(), NULL));
	for (int64_t at = 0; at < bytes;) {
		const int64_t left = bytes - at;
		const size_t want = left < VERIFY_BLOCK ? (size_t)left : (size_t)VERIFY_BLOCK;
		const ssize_t n = io_read_all(io, fd, v->block, want, at);
		if (n < 0)
			return err_errno(e, "cannot read it");
		if ((size_t)n != want)
			return err_set(e, ERR_CORRUPT, "the file is cut off");
		verify_sure(EVP_DigestUpdate(v->digest, v->block, want));
		at += n;
	}
	verify_sure(EVP_DigestFinal_ex(v->digest, hash, NULL));
	return 0;
}

static int
records_verify(struct scan *scan, int64_t bytes, pack_verify_record *each, void *ctx, struct err *e)
{
	int64_t skipped = 0;

	for (;;) {
		struct record record;
		int64_t offset = 0;
		const enum resync found = resync_next(scan, bytes, &record, &offset, &skipped, e);
		if (found == RESYNC_ERROR)
			return -1;
		if (found == RESYNC_END)
			return 0;
		/* behind them may stand what a crash left; it is not part of the pack */
		const bool within = offset + RECORD_SIZE + (int64_t)record.stored_len <= bytes;
		if (found == RESYNC_RECORD && within && each(ctx, &record, offset, e) != 0)
			return -1;
	}
}

int
pack_verify(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], int fd, int64_t bytes,
	pack_verify_record *each, void *ctx, unsigned char hash[PACK_HASH], struct err *e)
{
	SCOPED(verify_free_at)
	struct verify v = {.codec = codec_new(s->cipher),
		.seal = seal_new(s->cipher, uuid),
		.frame = mem_new(FRAME_MAX),
		.block = mem_new(VERIFY_BLOCK),
		.digest = EVP_MD_CTX_new()};
	struct scan scan = {.io = &s->io,
		.fd = fd,
		.codec = v.codec,
		.seal = v.seal,
		.frame = v.frame,
		.at = RECORD_SIZE,
		.ordinal = 1};

	if (v.digest == NULL)
		abort(); /* out of memory */
	memcpy(scan.uuid, uuid, RECORD_UUID_SIZE);
	if (pack_hash(&v, &s->io, fd, bytes, hash, e) != 0)
		return -1;
	return records_verify(&scan, bytes, each, ctx, e);
}
