#include "jobs/copies/packs/copy_format.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "store/format/le.h"

enum { INDEX_HEAD = 8 + PACK_HASH };
enum {
	INDEX_PACK_HASH = RECORD_UUID_SIZE + 8,
	INDEX_PACK_CHUNKS = INDEX_PACK_HASH + PACK_HASH,
	INDEX_PACK = INDEX_PACK_CHUNKS + 4
};
enum { INDEX_CHUNK = 8 + 8 + 4 + 4 + 4 + RECORD_ID_SIZE };

/* Room for ${len} more bytes: those who call it have seen to it that there is. */
static unsigned char *
index_more(struct copy_index *i, size_t len)
{
	unsigned char *at = buf_reserve(&i->bytes, len);

	if (at == NULL)
		abort();
	memset(at, 0, len);
	i->bytes.len += len;
	return at;
}

void
copy_index_start(struct copy_index *i, const unsigned char before[PACK_HASH])
{
	*i = (struct copy_index){.bytes = BUF_INIT(COPY_INDEX_MAX), .uuids = json_array()};
	unsigned char *head = index_more(i, INDEX_HEAD);
	le_put32(head, COPY_VERSION);
	memcpy(head + 8, before, PACK_HASH);
}

void
copy_index_free(struct copy_index *i)
{
	buf_free(&i->bytes);
	json_decref(i->uuids);
	*i = (struct copy_index){0};
}

void
copy_index_pack(struct copy_index *i, const unsigned char uuid[RECORD_UUID_SIZE], int64_t bytes)
{
	i->chunks_at = i->bytes.len + INDEX_PACK_CHUNKS;
	i->chunks = 0;
	unsigned char *pack = index_more(i, INDEX_PACK);
	memcpy(pack, uuid, RECORD_UUID_SIZE);
	le_put64(pack + RECORD_UUID_SIZE, (uint64_t)bytes);
}

int
copy_index_chunk(struct copy_index *i, const struct record *record, int64_t offset, struct err *e)
{
	if (i->bytes.len + INDEX_CHUNK + INDEX_PACK > i->bytes.max)
		return err_set(e, ERR_TOO_LARGE, "it has more chunks than an index can hold");
	unsigned char *chunk = index_more(i, INDEX_CHUNK);
	le_put64(chunk, record->number);
	le_put64(chunk + 8, (uint64_t)offset);
	le_put32(chunk + 16, record->ordinal);
	le_put32(chunk + 20, record->plain_len);
	le_put32(chunk + 24, record->stored_len);
	memcpy(chunk + 28, record->id, RECORD_ID_SIZE);
	i->chunks++;
	return 0;
}

void
copy_index_pack_end(struct copy_index *i, const unsigned char hash[PACK_HASH])
{
	unsigned char *bytes = (unsigned char *)i->bytes.data;
	unsigned char *pack = bytes + i->chunks_at - INDEX_PACK_CHUNKS;
	char uuid[2 * RECORD_UUID_SIZE + 1];

	memcpy(pack + INDEX_PACK_HASH, hash, PACK_HASH);
	le_put32(bytes + i->chunks_at, i->chunks);
	le_put32(bytes + 4, ++i->packs);
	(void)json_array_append_new(i->uuids, json_string(hex_text(pack, RECORD_UUID_SIZE, uuid)));
}

void
copy_index_pack_drop(struct copy_index *i)
{
	i->bytes.len = i->chunks_at - INDEX_PACK_CHUNKS;
}

int
copy_index_read(const void *bytes, size_t len, copy_index_each *each, void *ctx, struct err *e)
{
	const unsigned char *at = bytes;
	size_t left = len;

	if (left < INDEX_HEAD)
		return err_set(e, ERR_CORRUPT, "the index is cut off");
	if (le_get32(at) != COPY_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
			"the index is of version %u: a newer version of this program made it",
			le_get32(at));
	const uint32_t packs = le_get32(at + 4);
	at += INDEX_HEAD;
	left -= INDEX_HEAD;
	for (uint32_t i = 0; i < packs; i++) {
		struct copy_index_entry entry;
		if (left < INDEX_PACK)
			return err_set(e, ERR_CORRUPT, "the index is cut off");
		const size_t chunks = le_get32(at + INDEX_PACK_CHUNKS);
		if ((left - INDEX_PACK) / INDEX_CHUNK < chunks)
			return err_set(e, ERR_CORRUPT, "the index is cut off");
		memcpy(entry.uuid, at, RECORD_UUID_SIZE);
		entry.bytes = (int64_t)le_get64(at + RECORD_UUID_SIZE);
		memcpy(entry.hash, at + INDEX_PACK_HASH, PACK_HASH);
		if (entry.bytes < RECORD_SIZE)
			return err_set(e, ERR_CORRUPT, "the index names a pack of no length");
		if (each(ctx, &entry, e) != 0)
			return -1;
		at += INDEX_PACK + chunks * INDEX_CHUNK;
		left -= INDEX_PACK + chunks * INDEX_CHUNK;
	}
	return left == 0 ? 0 : err_set(e, ERR_CORRUPT, "the index has a rest");
}
