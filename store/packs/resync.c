#include "store/packs/resync.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/header_search.h"

/* Searched at once for a header. */
enum { BLOCK = 1 << 16 };

/* ${ordinal}: what it must be if it is encrypted. */
static bool
is_header(const struct scan *s, const unsigned char *bytes, uint32_t ordinal,
	struct record *ret_record)
{
	unsigned char header[RECORD_SIZE];
	unsigned char tag[CIPHER_TAG];
	struct err ignored;

	memcpy(header, bytes, sizeof(header));
	return seal_read_header(s->seal, ordinal, header, tag, &ignored) == 0 &&
	       record_decode(header, ret_record, &ignored) == 0 &&
	       memcmp(ret_record->pack, s->uuid, sizeof(s->uuid)) == 0 &&
	       ret_record->ordinal >= s->ordinal && ret_record->ordinal < UINT32_MAX &&
	       ret_record->stored_len <= FRAME_MAX && ret_record->plain_len <= CHUNK_MAX;
}

/* Whether a header may begin there, at first glance; of an encrypted one also its ordinal. */
static bool
is_likely(const struct header_search *beacons, const unsigned char *bytes, uint32_t *ordinal)
{
	return beacons == NULL ? bytes[0] == 0x5B : header_search_find(beacons, bytes, ordinal);
}

/* Those of all records that may stand from s->at on; NULL in a plain pack. */
static struct header_search *
beacons_of(const struct scan *s, int64_t end)
{
	const int64_t fit = (end - s->at) / RECORD_SIZE + 1;
	const int64_t left = (int64_t)UINT32_MAX - s->ordinal;
	const int64_t most = left < HEADER_SEARCH_MAX ? left : HEADER_SEARCH_MAX;

	if (s->seal == NULL)
		return NULL;
	return header_search_new(s->seal, s->ordinal, (size_t)(fit < most ? fit : most));
}

/* Move to the next header behind s->at: 1, 0 if there is none. */
static int
header_search(struct scan *s, int64_t end, struct err *e)
{
	SCOPED(free_at) unsigned char *block = mem_new(BLOCK + RECORD_SIZE);
	SCOPED(header_search_free_at) struct header_search *beacons = beacons_of(s, end);
	uint32_t ordinal = s->ordinal;
	struct record r;

	for (int64_t at = s->at + 1; at < end; at += BLOCK) {
		const ssize_t n = io_read_all(s->io, s->fd, block, BLOCK + RECORD_SIZE, (off_t)at);
		if (n < 0)
			return err_errno(e, "cannot read a pack");
		for (ssize_t i = 0; i < BLOCK && i + RECORD_SIZE <= n; i++) {
			if (!is_likely(beacons, block + i, &ordinal) ||
				!is_header(s, block + i, ordinal, &r))
				continue;
			s->at = at + i;
			s->ordinal = beacons == NULL ? s->ordinal : r.ordinal;
			return 1;
		}
	}
	return 0;
}

enum resync
resync_next(struct scan *s, int64_t end, struct record *ret_record, int64_t *ret_offset,
	int64_t *ret_skipped, struct err *e)
{
	for (;;) {
		unsigned char header[RECORD_SIZE];
		const int valid = scan_next(s, ret_record, ret_offset, e);
		if (valid != 0)
			return valid < 0 ? RESYNC_ERROR : RESYNC_RECORD;
		if (s->at >= end)
			return RESYNC_END;
		(*ret_skipped)++;
		const ssize_t n = io_read_all(s->io, s->fd, header, sizeof(header), (off_t)s->at);
		if (n < 0) {
			(void)err_errno(e, "cannot read a pack");
			return RESYNC_ERROR;
		}
		if (n == RECORD_SIZE && is_header(s, header, s->ordinal, ret_record)) {
			*ret_offset = s->at;
			s->ordinal = ret_record->ordinal + 1;
			/* its length may not be believed: the next header is searched for */
			if (header_search(s, end, e) <= 0)
				s->at = end;
			return RESYNC_BAD;
		}
		const int found = header_search(s, end, e);
		if (found <= 0)
			return found < 0 ? RESYNC_ERROR : RESYNC_END;
	}
}
