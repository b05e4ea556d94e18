/* Goal: a stored frame that is damaged or hostile is refused; a chunk comes back from its frame. */
#include <string.h>

#include "base/scope.h"
#include "store/packs/codec.h"
#include "tests/fuzz/fuzz.h"

/* ${data} as a chunk. */
static void
check_chunk(struct codec *c, const uint8_t *data, size_t size)
{
	const void *frame = NULL, *plain;
	size_t frame_len = 0;
	SCOPED(free_at) void *copy = NULL;
	struct err e;

	CLAIM(codec_compress(c, data, size, &frame, &frame_len, &e) == 0);
	CLAIM(frame_len <= FRAME_MAX);
	copy = malloc(frame_len);
	CLAIM(copy != NULL);
	memcpy(copy, frame, frame_len);
	plain = codec_expand(c, copy, frame_len, size, &e);
	CLAIM(plain != NULL && (size == 0 || memcmp(plain, data, size) == 0));
	CLAIM(codec_expand(c, copy, frame_len, size + 1, &e) == NULL && e.code == ERR_CORRUPT);
	CLAIM(codec_expand(c, copy, frame_len - 1, size, &e) == NULL && e.code == ERR_CORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec *c; /* reachable to the end: no leak */
	uint32_t plain_len = 0;
	struct err e;

	if (size < sizeof(plain_len) || size > CHUNK_MAX)
		return 0;
	if (c == NULL)
		c = codec_new(NULL);
	memcpy(&plain_len, data, sizeof(plain_len));
	plain_len %= CHUNK_MAX + 1;
	/* Without trust in the length that stands beside it: any, and what it says itself. */
	for (int turn = 0; turn < 2; turn++) {
		const void *plain = codec_expand(
			c, data + sizeof(plain_len), size - sizeof(plain_len), plain_len, &e);
		unsigned char id[RECORD_ID_SIZE];
		if (plain == NULL)
			CLAIM(e.code == ERR_CORRUPT);
		else
			codec_id(c, plain, plain_len, id); /* all of it may be read */
		plain_len = size > 9 ? data[9] : 0;
	}
	check_chunk(c, data, size);
	return 0;
}
