#include "store/packs/payload.h"

#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/format/chunk.h"
#include "store/format/le.h"

enum { HEAD_UNDATED = 24, HEAD = 32, VERSION_UNDATED = 1, VERSION = 2 };

unsigned char *
payload_encode(const struct payload *p, size_t *ret_len)
{
	const size_t len = HEAD + p->id_len + p->record_len + p->recipe_len;
	unsigned char *data = mem_new(len);

	data[0] = VERSION;
	le_put32(data + 4, p->seq);
	le_put32(data + 8, (uint32_t)p->id_len);
	le_put32(data + 12, (uint32_t)p->record_len);
	le_put64(data + 16, p->recipe_len);
	le_put64(data + 24, (uint64_t)p->created_ns);
	memcpy(data + HEAD, p->id, p->id_len);
	memcpy(data + HEAD + p->id_len, p->record, p->record_len);
	if (p->recipe_len > 0)
		memcpy(data + HEAD + p->id_len + p->record_len, p->recipe, p->recipe_len);
	*ret_len = len;
	return data;
}

int
payload_decode(const unsigned char *data, size_t len, struct payload *ret_payload, struct err *e)
{
	struct payload p = {.undated = len > 0 && data[0] == VERSION_UNDATED};
	const size_t head = p.undated ? HEAD_UNDATED : HEAD;

	if (len < head)
		return err_set(e, ERR_CORRUPT, "a backup's record is cut off");
	if (data[0] != VERSION && !p.undated)
		return err_set(e, ERR_UNSUPPORTED,
			"a backup's record has version %d and this program knows %d", data[0],
			VERSION);
	p.seq = le_get32(data + 4);
	p.id_len = le_get32(data + 8);
	p.record_len = le_get32(data + 12);
	const size_t rest = len - head;
	if (p.id_len > rest || p.record_len > rest - p.id_len ||
		le_get64(data + 16) != rest - p.id_len - p.record_len)
		return err_set(e, ERR_CORRUPT, "a backup's record has wrong lengths");
	p.recipe_len = rest - p.id_len - p.record_len;
	p.id = (const char *)data + head;
	p.record = p.id + p.id_len;
	p.recipe = p.record + p.record_len;
	p.created_ns = p.undated ? id_time_ns(p.id, p.id_len) : (int64_t)le_get64(data + 24);
	*ret_payload = p;
	return 0;
}

uint32_t
payload_seq(int64_t seq)
{
	return seq <= 0 || seq > UINT32_MAX ? 0 : (uint32_t)seq;
}

uint64_t
payload_parts(size_t len)
{
	return (len + CHUNK_MAX - 1) / CHUNK_MAX;
}

/* ZSTD_COMPRESSBOUND has at most 64 bytes besides one in 256. */
int64_t
payload_room(size_t len)
{
	return (int64_t)(payload_parts(len) * (RECORD_SIZE + 64) + len + len / 256);
}

struct record
payload_part(size_t len, uint64_t part)
{
	const size_t from = (size_t)part * CHUNK_MAX;

	return (struct record){
		.type = RECORD_RECIPE,
		.number = part | payload_parts(len) << 32,
		.plain_len = (uint32_t)(len - from < CHUNK_MAX ? len - from : CHUNK_MAX),
	};
}
