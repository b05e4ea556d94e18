#include "archive/write/segment_rules.h"

#include <string.h>

#include "archive/tar/header.h"
#include "archive/tar/member.h"
#include "archive/tar/pages.h"

enum { RUN_SCALE = 48 * 1024 /* with SEGMENT_RULES_RUN_MIN: 64 KiB on average */ };

/* FNV-1a (RFC 9923), then the finalizer of MurmurHash3 so that the upper half is well mixed. */
static uint32_t
path_hash(const char *path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *path != '\0'; path++)
		h = (h ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	return (uint32_t)(h >> 32);
}

int64_t
segment_rules_whole_blocks(int64_t size)
{
	return size + (int64_t)member_padding(size);
}

int64_t
segment_rules_bytes(const char *path, const char *link, int64_t content)
{
	const size_t path_len = strlen(path), link_len = link == NULL ? 0 : strlen(link);
	int64_t bytes = 3 * MEMBER_BLOCK_SIZE + segment_rules_whole_blocks(content);

	if (path_len > USTAR_NAME)
		bytes += segment_rules_whole_blocks((int64_t)path_len);
	if (link_len > USTAR_NAME)
		bytes += segment_rules_whole_blocks((int64_t)link_len);
	return bytes;
}

bool
segment_rules_before(int64_t length, const char *path, int64_t bytes)
{
	if (length + bytes > SEGMENT_RULES_RUN_MAX)
		return true;
	return length >= SEGMENT_RULES_RUN_MIN &&
	       (uint64_t)path_hash(path) * RUN_SCALE < (uint64_t)bytes << 32;
}

enum segment_kind
segment_rules_kind(const char *path, int64_t size, bool sparse)
{
	if (sparse)
		return SEGMENT_SPARSE;
	if (size < SEGMENT_RULES_CONTENT_MIN)
		return SEGMENT_RUN;
	if (!pages_file(path))
		return SEGMENT_CONTENT;
	return size <= PAGES_16_MAX ? SEGMENT_PAGES_16 : SEGMENT_PAGES_64;
}
