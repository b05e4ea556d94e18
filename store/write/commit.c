#include "store/write/commit.h"

#include <string.h>

#include "base/scope.h"
#include "base/sha256.h"
#include "store/packs/payload.h"

/* What the payload has of the catalogue's row. */
static int
row_load(struct ingest *in, const char *id, struct payload *payload, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(in->reader, SQL_BACKUP_GET, e, "t", id);
	const int found = s == NULL ? -1 : statement_step(in->reader, s, e);

	if (found == 0)
		return err_set(e, ERR_CONFLICT, "the backup %s is not running", id);
	if (found == 1) {
		payload->created_ns = sqlite3_column_int64(s, 2);
		payload->seq = payload_seq(sqlite3_column_int64(s, 9));
	}
	return found < 0 ? -1 : 0;
}

static int
part_append(struct ingest *in, struct record *r, const unsigned char *data, int64_t *ret_offset,
	struct err *e)
{
	const void *frame = NULL;
	size_t frame_len = 0;

	if (codec_compress(in->codec, data, r->plain_len, &frame, &frame_len, e) != 0)
		return session_fail(in, e);
	r->stored_len = (uint32_t)frame_len;
	return session_record(in, r, frame, ret_offset, e);
}

static int
payload_append(
	struct ingest *in, struct completion *done, const struct payload *payload, struct err *e)
{
	size_t len = 0;
	SCOPED(free_at) unsigned char *data = payload_encode(payload, &len);
	const uint64_t parts = payload_parts(len);
	unsigned char id[RECORD_ID_SIZE];

	codec_id(in->codec, data, len, id);
	if (appender_drain(in, e) != 0 || session_room(in, payload_room(len), e) != 0)
		return -1;
	done->pack = in->pack->row;
	for (uint64_t part = 0; part < parts; part++) {
		struct record r = payload_part(len, part);
		int64_t offset = 0;
		memcpy(r.id, id, sizeof(r.id));
		if (part_append(in, &r, data + part * CHUNK_MAX, &offset, e) != 0)
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
	char digest[SHA256_HEX_SIZE];
	done.recipe = encoded;
	sha256_hex(encoded, done.recipe_len, digest);
	if (strcmp(digest, in->totals.digest) != 0) {
		struct ingest_totals ignored;
		if (ingest_totals(in, recipe, &ignored, e) != 0)
			return -1;
	}
	struct payload payload = {
		.id = id,
		.id_len = strlen(id),
		.record = record,
		.record_len = strlen(record),
		.recipe = done.recipe,
		.recipe_len = done.recipe_len,
	};
	if (row_load(in, id, &payload, e) != 0)
		return session_fail(in, e);
	if (payload_append(in, &done, &payload, e) != 0)
		return -1;
	return session_checkpoint(in, &done, e);
}
