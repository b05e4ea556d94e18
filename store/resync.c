#include "store/resync.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* Searched at once for a header. */
enum { BLOCK = 1 << 16 };

static bool
is_header(const struct scan *s, const unsigned char *bytes, struct record *ret_record)
{
	struct err ignored;

	return record_decode(bytes, ret_record, &ignored) == 0 &&
	       memcmp(ret_record->pack, s->uuid, sizeof(s->uuid)) == 0 &&
	       ret_record->ordinal >= s->ordinal && ret_record->ordinal < UINT32_MAX &&
	       ret_record->stored_len <= FRAME_MAX && ret_record->plain_len <= CHUNK_MAX;
}

/* Move to the next header behind s->at: 1, 0 if there is none. */
static int
header_search(struct scan *s, int64_t end, struct err *e)
{
	SCOPED(free_at) unsigned char *block = mem_new(BLOCK + RECORD_SIZE);
	struct record r;

	for (int64_t at = s->at + 1; at < end; at += BLOCK) {
		const ssize_t n = io_read_all(s->io, s->fd, block, BLOCK + RECORD_SIZE, (off_t)at);
		if (n < 0)
			return err_errno(e, "cannot read a pack");
		for (ssize_t i = 0; i < BLOCK && i + RECORD_SIZE <= n; i++) {
			if (block[i] != 0x5B || !is_header(s, block + i, &r))
				continue;
			s->at = at + i;
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
		if (n == RECORD_SIZE && is_header(s, header, ret_record)) {
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
