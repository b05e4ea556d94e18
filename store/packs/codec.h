#ifndef STORE_PACKS_CODEC_H
#define STORE_PACKS_CODEC_H

#include <stddef.h>

#include "base/err.h"
#include "store/format/chunk.h"
#include "store/format/record.h"
#include "store/keys/cipher.h"

/*
 * From plain bytes to an id and a frame, and back.  Keeps its contexts and buffers (about 4 MiB,
 * made when they are first needed) for its life.  One thread at a time.
 */
struct codec;

/* The longest frame of CHUNK_MAX bytes: ZSTD_COMPRESSBOUND(CHUNK_MAX). */
enum { FRAME_MAX = CHUNK_MAX + (CHUNK_MAX >> 8) };

/* Borrows ${cipher}: the key of ids, or NULL. */
struct codec *codec_new(const struct cipher *cipher);
void codec_free(struct codec *c);
void codec_free_at(struct codec **c);

/* The SHA-256 of ${len} bytes; in an encrypted store their HMAC-SHA256. */
void codec_id(struct codec *c, const void *data, size_t len, unsigned char id[RECORD_ID_SIZE]);

/**
 * codec_compress(c, data, len, ret_frame, ret_frame_len, e):
 * One zstd frame (level 1, content size, checksum), decompressed again and compared.  Borrowed
 * until the next call.  ${len}: 0..CHUNK_MAX.  ERR_CORRUPT: it did not come back equal.
 */
int codec_compress(struct codec *c, const void *data, size_t len, const void **ret_frame,
	size_t *ret_frame_len, struct err *e);

/**
 * codec_expand(c, frame, frame_len, plain_len, e):
 * Return the ${plain_len} bytes of a frame, borrowed until the next call; NULL with ERR_CORRUPT if
 * the frame's checksum or length is wrong.
 */
const void *codec_expand(
	struct codec *c, const void *frame, size_t frame_len, size_t plain_len, struct err *e);

#endif
