#include "store/packs/scan.h"

#include <string.h>

static int
frame_valid(struct scan *s, const struct record *r)
{
	unsigned char id[RECORD_ID_SIZE];
	struct err ignored;

	if (r->type == RECORD_PACK)
		return r->stored_len == 0;
	if (r->type == RECORD_PADDING && s->seal != NULL)
		return 1; /* it is authentic, and that is all there is to it */
	const void *plain = codec_expand(s->codec, s->frame, r->stored_len, r->plain_len, &ignored);
	if (plain == NULL)
		return 0;
	if (r->type != RECORD_CHUNK && r->type != RECORD_DELETION)
		return 1;
	codec_id(s->codec, plain, r->plain_len, id);
	return memcmp(id, r->id, sizeof(id)) == 0;
}

int
scan_next(struct scan *s, struct record *ret_record, int64_t *ret_offset, struct err *e)
{
	unsigned char header[RECORD_SIZE];
	unsigned char tag[CIPHER_TAG];
	struct err ignored;

	ssize_t n = io_read_all(s->io, s->fd, header, sizeof(header), (off_t)s->at);
	if (n < 0)
		return err_errno(e, "cannot read a pack");
	if (n != RECORD_SIZE || seal_read_header(s->seal, s->ordinal, header, tag, &ignored) != 0 ||
		record_decode(header, ret_record, &ignored) != 0 ||
		memcmp(ret_record->pack, s->uuid, sizeof(s->uuid)) != 0 ||
		ret_record->ordinal < s->ordinal || ret_record->ordinal == UINT32_MAX ||
		ret_record->stored_len > FRAME_MAX || ret_record->plain_len > CHUNK_MAX)
		return 0;
	n = io_read_all(
		s->io, s->fd, s->frame, ret_record->stored_len, (off_t)(s->at + RECORD_SIZE));
	if (n < 0)
		return err_errno(e, "cannot read a pack");
	if ((size_t)n != ret_record->stored_len ||
		seal_read_frame(s->seal, header, tag, s->frame, (size_t)n, &ignored) != 0 ||
		!frame_valid(s, ret_record))
		return 0;
	*ret_offset = s->at;
	s->at += (int64_t)RECORD_SIZE + ret_record->stored_len;
	s->ordinal = ret_record->ordinal + 1;
	return 1;
}
