#include "store/commit.h"

#include <endian.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

enum { HEAD = 24, VERSION = 1 };

/* The bytes of the record; the caller's to free. */
static unsigned char *
payload_make(const struct completion *done, size_t *ret_len)
{
	const size_t id_len = strlen(done->id);
	const size_t record_len = strlen(done->record);
	unsigned char *data = mem_new(HEAD + id_len + record_len + done->recipe_len);
	const uint32_t id_len_le = htole32((uint32_t)id_len);
	const uint32_t record_len_le = htole32((uint32_t)record_len);
	const uint64_t recipe_len_le = htole64(done->recipe_len);

	data[0] = VERSION;
	memcpy(data + 8, &id_len_le, sizeof(id_len_le));
	memcpy(data + 12, &record_len_le, sizeof(record_len_le));
	memcpy(data + 16, &recipe_len_le, sizeof(recipe_len_le));
	memcpy(data + HEAD, done->id, id_len);
	memcpy(data + HEAD + id_len, done->record, record_len);
	memcpy(data + HEAD + id_len + record_len, done->recipe, done->recipe_len);
	*ret_len = HEAD + id_len + record_len + done->recipe_len;
	return data;
}

static int
part_append(struct ingest *in, struct record *r, const unsigned char *data, int64_t *ret_offset,
	struct err *e)
{
	const void *frame = NULL;
	size_t frame_len = 0;

	if (compressor_put(in->compressor, data, r->plain_len, e) != 0 ||
		compressor_take(in->compressor, &frame, &frame_len, e) != 0)
		return session_fail(in, e);
	r->stored_len = (uint32_t)frame_len;
	return session_record(in, r, frame, ret_offset, e);
}

static int
payload_append(struct ingest *in, struct completion *done, struct err *e)
{
	size_t len = 0;
	SCOPED(free_at) unsigned char *data = payload_make(done, &len);
	const uint64_t parts = (len + CHUNK_MAX - 1) / CHUNK_MAX;
	struct record r = {.type = RECORD_RECIPE};

	codec_id(in->codec, data, len, r.id);
	if (session_drain(in, e) != 0 ||
		session_room(in, (int64_t)parts * (RECORD_SIZE + FRAME_MAX), e) != 0)
		return -1;
	done->pack = in->pack->row;
	for (uint64_t part = 0; part < parts; part++) {
		const size_t from = (size_t)part * CHUNK_MAX;
		int64_t offset = 0;
		r.number = part | parts << 32;
		r.plain_len = (uint32_t)(len - from < CHUNK_MAX ? len - from : CHUNK_MAX);
		if (part_append(in, &r, data + from, &offset, e) != 0)
			return -1;
		if (part == 0)
			done->offset = offset;
	}
	return 0;
}

int
commit_backup(struct ingest *in, const char *id, const char *record, const struct recipe *recipe,
	struct err *e)
{
	struct completion done = {.id = id, .record = record, .totals = &in->totals};
	SCOPED(free_at) void *encoded = recipe_encode(recipe, &done.recipe_len);
	char digest[DIGEST_HEX_SIZE];

	done.recipe = encoded;
	totals_digest(encoded, done.recipe_len, digest);
	if (strcmp(digest, in->totals.digest) != 0) {
		struct ingest_totals ignored;
		if (ingest_totals(in, recipe, &ignored, e) != 0)
			return -1;
	}
	if (payload_append(in, &done, e) != 0)
		return -1;
	return session_checkpoint(in, &done, e);
}
