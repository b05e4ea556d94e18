/* Goal: a pack of any bytes is read to its end, record by record, and nothing in it is believed.
 *
 * The first byte's bits say what is put right before, as no fuzzer guesses a checksum: 1 the pack's
 * id in each header, 2 the headers' CRC, 4 the chunks' SHA-256, 8 the lengths.
 */
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/format/crc.h"
#include "store/format/le.h"
#include "store/packs/resync.h"
#include "tests/fuzz/fuzz.h"

enum { SIZE_MAX_HERE = 1 << 16, MAGIC = 0x184D2A5B };
enum { RIGHT_UUID = 1, RIGHT_CRC = 2, RIGHT_ID = 4, RIGHT_LEN = 8 };

struct memory {
	uint8_t *data;
	size_t size;
};

static ssize_t
memory_pread(void *ctx, int fd, void *data, size_t len, off_t offset)
{
	const struct memory *m = ctx;
	const size_t at = (size_t)offset;

	(void)fd;
	CLAIM(offset >= 0);
	if (at >= m->size)
		return 0;
	const size_t n = len < m->size - at ? len : m->size - at;
	memcpy(data, m->data + at, n);
	return (ssize_t)n;
}

static void
put_right(struct memory *m, unsigned what, struct codec *codec)
{
	size_t frame = 0; /* where the last header's frame begins */

	for (size_t i = 0; i + RECORD_SIZE <= m->size; i++) {
		uint8_t *header = m->data + i;
		struct err ignored;

		if (le_get32(header) != MAGIC || i < frame)
			continue;
		le_put32(header + 4, RECORD_SIZE - 8);
		header[8] = 1;
		header[10] = header[11] = 0;
		frame = i + RECORD_SIZE;
		size_t next = frame;
		while (next + 4 <= m->size && le_get32(m->data + next) != MAGIC)
			next++;
		if (next + 4 > m->size)
			next = m->size;
		if ((what & RIGHT_LEN) != 0)
			le_put32(header + 28, (uint32_t)(next - frame));
		if ((what & RIGHT_UUID) != 0)
			memset(header + 64, 0x11, RECORD_UUID_SIZE);
		const uint32_t plain_len = le_get32(header + 24);
		const void *plain = plain_len > CHUNK_MAX
					    ? NULL
					    : codec_expand(codec, m->data + frame, next - frame,
						      plain_len, &ignored);
		if ((what & RIGHT_ID) != 0 && plain != NULL)
			codec_id(codec, plain, plain_len, header + 32);
		if ((what & RIGHT_CRC) != 0)
			le_put32(header + 92, crc32c(header, 92));
	}
}

static void
check_record(const struct record *r, const uint8_t *header)
{
	unsigned char bytes[RECORD_SIZE];

	record_encode(r, bytes);
	/* Bytes 80..91 mean nothing yet, and the CRC is over them. */
	CLAIM(memcmp(bytes, header, 80) == 0);
	CLAIM(r->stored_len <= FRAME_MAX && r->plain_len <= CHUNK_MAX);
}

static void
read_pack(const struct memory *m, struct codec *codec, unsigned char *frame)
{
	const struct io io = {.pread = memory_pread, .ctx = (void *)(uintptr_t)m};
	struct scan s = {.io = &io, .codec = codec, .frame = frame};
	int64_t skipped = 0, offset = 0, before = -1;
	struct record r;
	struct err e;

	memset(s.uuid, 0x11, sizeof(s.uuid));
	for (;;) {
		const enum resync found =
			resync_next(&s, (int64_t)m->size, &r, &offset, &skipped, &e);
		CLAIM(found != RESYNC_ERROR); /* nothing fails to be read */
		if (found == RESYNC_END)
			return;
		CLAIM(offset > before && offset + RECORD_SIZE <= (int64_t)m->size);
		check_record(&r, m->data + offset);
		if (found == RESYNC_RECORD)
			CLAIM(s.at == offset + RECORD_SIZE + r.stored_len &&
				s.at <= (int64_t)m->size);
		before = offset;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec *codec; /* reachable to the end: no leak */
	static unsigned char *frame;
	SCOPED(free_at) uint8_t *copy = NULL;

	if (size < 1 || size > SIZE_MAX_HERE)
		return 0;
	if (codec == NULL) {
		codec = codec_new(NULL);
		frame = mem_new(FRAME_MAX);
	}
	copy = mem_new(size);
	memcpy(copy, data + 1, size - 1);
	const struct memory m = {copy, size - 1};
	put_right(&(struct memory){copy, size - 1}, data[0], codec);
	read_pack(&m, codec, frame);
	return 0;
}
