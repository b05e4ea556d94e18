#include "engine/frames.h"

#include "base/buf.h"
#include "http/http.h"

char *
frames_text(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	struct buf text = BUF_INIT(HTTP_BODY_MAX);
	size_t at = 0;

	while (len - at >= 8 && bytes[at] <= 2 && bytes[at + 1] == 0) {
		const size_t size = (size_t)bytes[at + 4] << 24 | (size_t)bytes[at + 5] << 16 |
				    (size_t)bytes[at + 6] << 8 | bytes[at + 7];
		const size_t left = len - at - 8;
		const size_t take = size < left ? size : left;

		(void)buf_add(&text, bytes + at + 8, take);
		at += 8 + take;
	}
	if (at == 0)
		(void)buf_add(&text, data, len);
	return buf_take(&text);
}
