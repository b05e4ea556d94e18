#include "jobs/copies/packs/copy_format.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "store/catalogue/totals.h"
#include "store/packs/packs.h"

static const char copy_magic[7] = {'F', 'B', 'C', 'O', 'P', 'Y', 1};
enum { COPY_HEAD = 8, COPY_LEVEL = 3 };

const char *
copy_hash(const void *data, size_t len, char text[COPY_HASH_TEXT])
{
	sha256_hex(data, len, text);
	return text;
}

bool
copy_id_valid(const char *text)
{
	return strlen(text) == COPY_ID_TEXT - 1 &&
	       strspn(text, "0123456789abcdef") == COPY_ID_TEXT - 1;
}

bool
copy_head_valid(const char *name, char backup[ID_SIZE], int64_t *ret_created_ns)
{
	const char *digits = name + ID_SIZE;
	char *end = NULL;

	if (strlen(name) < ID_SIZE + 1 || name[ID_LEN] != '.')
		return false;
	memcpy(backup, name, ID_LEN);
	backup[ID_LEN] = '\0';
	if (!id_valid(backup) || strspn(digits, "0123456789") != strlen(digits) ||
		strlen(digits) > 19)
		return false;
	*ret_created_ns = strtoll(digits, &end, 10);
	return true;
}

const char *
copy_pack_name(const unsigned char uuid[RECORD_UUID_SIZE], char name[COPY_NAME_MAX])
{
	char file[PACK_NAME_SIZE];

	(void)snprintf(name, COPY_NAME_MAX, "packs/%s", packs_name(uuid, file));
	return name;
}

static void
frame_make(const void *data, size_t len, struct buf *to)
{
	const size_t room = ZSTD_compressBound(len);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	void *at = buf_reserve(to, room);

	if (zstd == NULL || at == NULL)
		abort(); /* out of memory: what is put in is limited */
	(void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, COPY_LEVEL);
	(void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	const size_t n = ZSTD_compress2(zstd, at, room, data, len);
	if (ZSTD_isError(n))
		abort(); /* out of memory */
	to->len += n;
	(void)ZSTD_freeCCtx(zstd);
}

void *
copy_object_close(
	const struct cipher *c, const char *bound, const void *data, size_t len, size_t *ret_len)
{
	SCOPED(buf_free) struct buf frame = BUF_INIT(2 * (size_t)COPY_OBJECT_MAX);

	frame_make(data, len, &frame);
	unsigned char *object = mem_new(COPY_HEAD + frame.len + CIPHER_BOX);
	memcpy(object, copy_magic, sizeof(copy_magic));
	object[COPY_HEAD - 1] = c != NULL;
	*ret_len = COPY_HEAD + frame.len;
	if (c == NULL) {
		memcpy(object + COPY_HEAD, frame.data, frame.len);
		return object;
	}
	cipher_box(c->copies, bound, frame.data, frame.len, object + COPY_HEAD);
	*ret_len += CIPHER_BOX;
	return object;
}

static int
frame_open(const void *frame, size_t len, struct buf *to, struct err *e)
{
	const unsigned long long plain = ZSTD_getFrameContentSize(frame, len);

	if (plain > COPY_OBJECT_MAX) /* also the two errors */
		return err_set(e, ERR_CORRUPT, "it is not what was put there");
	void *at = buf_reserve(to, (size_t)plain + 1);
	if (at == NULL)
		return err_set(e, ERR_TOO_LARGE, "it is too large");
	const size_t n = ZSTD_decompress(at, (size_t)plain, frame, len);
	if (ZSTD_isError(n) || n != plain)
		return err_set(e, ERR_CORRUPT, "it is not what was put there");
	to->len += n;
	return 0;
}

int
copy_object_open(const struct cipher *c, const char *bound, const void *object, size_t len,
	struct buf *to, struct err *e)
{
	const unsigned char *bytes = object;

	if (len < COPY_HEAD || memcmp(bytes, copy_magic, sizeof(copy_magic)) != 0 ||
		bytes[COPY_HEAD - 1] > 1)
		return err_set(e, ERR_CORRUPT, "it is not what was put there");
	const bool boxed = bytes[COPY_HEAD - 1] == 1;
	if (boxed != (c != NULL))
		return err_set(e, ERR_DENIED,
			boxed ? "it is encrypted: give the store's pass phrase, key file or "
				"recovery key"
			      : "it is not encrypted, though the store is: somebody else put it "
				"there");
	if (!boxed)
		return frame_open(bytes + COPY_HEAD, len - COPY_HEAD, to, e);
	if (len < COPY_HEAD + CIPHER_BOX)
		return err_set(e, ERR_CORRUPT, "it is cut off");
	const size_t frame_len = len - COPY_HEAD - CIPHER_BOX;
	SCOPED(free_at) unsigned char *frame = mem_new(frame_len + 1);
	if (!cipher_unbox(c->copies, bound, bytes + COPY_HEAD, len - COPY_HEAD, frame))
		return err_set(e, ERR_CORRUPT,
			"it is not what was put there: damaged, of other keys, or another object "
			"under this name");
	return frame_open(frame, frame_len, to, e);
}
