#include "store/gc/relocation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/packs/pack_readers.h"

void
relocation_init(struct relocation *c, struct store *s)
{
	*c = (struct relocation){.store = s, .codec = codec_new(s->cipher)};
	c->record = mem_new(PACK_READERS_RECORD_MAX);
	c->moved = mem_array(NULL, RELOCATION_MOVED, sizeof(*c->moved));
}

void
relocation_close(struct relocation *c)
{
	if (c->store == NULL)
		return;
	if (c->pack != NULL && c->pack->end != c->pack->durable)
		(void)relocation_fail(c); /* something that no row leads to */
	if (c->pack != NULL)
		packs_leave(c->store, TAKE(c->pack));
	codec_free(c->codec);
	seal_free(c->from);
	free(c->record);
	free(c->moved);
	*c = (struct relocation){0};
}

int
relocation_fail(struct relocation *c)
{
	c->moved_count = 0;
	if (c->pack == NULL)
		return -1;
	c->pack->poisoned = true;
	packs_close(c->store, TAKE(c->pack));
	return -1;
}

void
relocation_drop(struct relocation *c)
{
	c->moved_count = 0;
}

int
relocation_room(struct relocation *c, int64_t size, struct err *e)
{
	struct store *s = c->store;

	if (c->pack != NULL && c->pack->end + size > s->pack_bytes && c->pack->end > RECORD_SIZE) {
		if (relocation_flush(c, e) != 0)
			return -1;
		packs_close(s, TAKE(c->pack));
	}
	if (c->pack == NULL)
		c->pack = packs_take(s, size);
	return c->pack == NULL ? packs_create(s, &c->pack, e) : 0;
}

static int
relocation_append(struct relocation *c, struct record *r, const void *frame, int64_t *ret_offset,
	struct err *e)
{
	if (packs_append(c->store, c->pack, r, frame, ret_offset, e) != 0)
		return relocation_fail(c);
	c->bytes += (int64_t)RECORD_SIZE + r->stored_len;
	return 0;
}

/* Whether the record in c->record is that of ${row}, all of it. */
static int
record_verify(
	struct relocation *c, const unsigned char *uuid, const struct chunk *row, struct err *e)
{
	const size_t len = (size_t)RECORD_SIZE + row->stored_len;
	unsigned char id[RECORD_ID_SIZE];

	seal_settle(&c->from, c->store->cipher, uuid);
	if (seal_read(c->from, row->ordinal, c->record, len, e) != 0)
		return -1;
	if (pack_readers_check(c->record, row, uuid, e) != 0)
		return -1;
	const void *plain =
		codec_expand(c->codec, c->record + RECORD_SIZE, row->stored_len, row->plain_len, e);
	if (plain == NULL)
		return -1;
	codec_id(c->codec, plain, row->plain_len, id);
	if (memcmp(id, row->id, sizeof(id)) != 0)
		return err_set(e, ERR_CORRUPT, "the chunk %llu is not what was stored",
			(unsigned long long)row->number);
	return 0;
}

static enum carried
record_read(struct relocation *c, int fd, const unsigned char *uuid, const struct chunk *row,
	struct err *e)
{
	const size_t len = (size_t)RECORD_SIZE + row->stored_len;
	char name[PACK_NAME_SIZE];
	enum carried result = CARRY_DAMAGED;

	if (row->stored_len > FRAME_MAX || row->plain_len == 0 || row->plain_len > CHUNK_MAX) {
		(void)err_set(e, ERR_CORRUPT, "the chunk has an impossible length");
	} else {
		const ssize_t n =
			io_read_all(&c->store->io, fd, c->record, len, (off_t)row->offset);
		if (n < 0) {
			result = CARRY_UNREAD;
			(void)err_errno(e, "cannot read");
		} else if ((size_t)n != len) {
			(void)err_set(e, ERR_CORRUPT, "the file is cut off");
		} else if (record_verify(c, uuid, row, e) == 0) {
			return CARRIED;
		}
	}
	(void)err_prefix(e, "pack %s at %lld", packs_name(uuid, name), (long long)row->offset);
	return result;
}

enum carried
relocation_chunk(struct relocation *c, int fd, const unsigned char uuid[RECORD_UUID_SIZE],
	const struct chunk *row, struct err *e)
{
	struct record r = {
		.type = RECORD_CHUNK,
		.number = row->number,
		.plain_len = row->plain_len,
		.stored_len = row->stored_len,
	};
	struct moved moved = {.number = row->number, .from = row->pack};

	assert(c->moved_count < RELOCATION_MOVED);
	const enum carried read = record_read(c, fd, uuid, row, e);
	if (read != CARRIED)
		return read;
	memcpy(r.id, row->id, sizeof(r.id));
	if (relocation_room(c, (int64_t)RECORD_SIZE + r.stored_len, e) != 0 ||
		relocation_append(c, &r, c->record + RECORD_SIZE, &moved.offset, e) != 0)
		return CARRY_FAILED;
	moved.pack = c->pack->row;
	moved.ordinal = r.ordinal;
	c->moved[c->moved_count++] = moved;
	return CARRIED;
}

static int
frame_append(struct relocation *c, struct record *r, const void *plain, int64_t *ret_offset,
	struct err *e)
{
	const void *frame = NULL;
	size_t frame_len = 0;

	assert(c->pack != NULL);
	if (codec_compress(c->codec, plain, r->plain_len, &frame, &frame_len, e) != 0)
		return relocation_fail(c);
	r->stored_len = (uint32_t)frame_len;
	return relocation_append(c, r, frame, ret_offset, e);
}

int
relocation_backup(
	struct relocation *c, const struct payload *payload, int64_t *ret_offset, struct err *e)
{
	size_t len = 0;
	SCOPED(free_at) unsigned char *data = payload_encode(payload, &len);
	unsigned char id[RECORD_ID_SIZE];
	int64_t offset = 0;

	codec_id(c->codec, data, len, id);
	for (uint64_t part = 0; part < payload_parts(len); part++) {
		struct record r = payload_part(len, part);
		memcpy(r.id, id, sizeof(r.id));
		if (frame_append(c, &r, data + part * CHUNK_MAX, &offset, e) != 0)
			return -1;
		if (part == 0)
			*ret_offset = offset;
	}
	return 0;
}

int
relocation_deletion(struct relocation *c, const char *backup, struct err *e)
{
	struct record r = {.type = RECORD_DELETION, .plain_len = (uint32_t)strlen(backup)};
	int64_t offset = 0;

	codec_id(c->codec, backup, r.plain_len, r.id);
	return frame_append(c, &r, backup, &offset, e);
}

static int
moved_write(struct relocation *c, struct connection *w, struct err *e)
{
	for (size_t i = 0; i < c->moved_count; i++) {
		const struct moved *m = &c->moved[i];
		const int changed = statement_run(w, SQL_CHUNK_MOVE, e, "iiiii", (int64_t)m->number,
			m->from, m->pack, m->offset, (int64_t)m->ordinal);
		if (changed < 0)
			return -1;
		if (changed != 1)
			return err_set(e, ERR_INTERNAL, "the chunk %llu stands in another pack",
				(unsigned long long)m->number);
	}
	return 0;
}

static struct connection *
begin(struct relocation *c, struct err *e)
{
	if (c->pack != NULL && packs_sync(c->store, c->pack, e) != 0)
		return NULL;
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(c->store->catalogue, e);
	if (w == NULL || moved_write(c, w, e) != 0 ||
		(c->pack != NULL && packs_settle(w, c->pack, PACK_OPEN, e) != 0))
		return NULL;
	return TAKE(w);
}

struct connection *
relocation_begin(struct relocation *c, struct err *e)
{
	struct connection *w = begin(c, e);

	if (w == NULL)
		(void)relocation_fail(c);
	return w;
}

int
relocation_commit(struct relocation *c, struct connection *w, struct err *e)
{
	if (c->pack != NULL)
		c->pack->uncertain = true;
	if (catalogue_commit(w, e) != 0)
		return relocation_fail(c);
	if (c->pack != NULL) {
		c->pack->uncertain = false;
		c->pack->durable = c->pack->synced;
	}
	c->moved_count = 0;
	return 0;
}

int
relocation_flush(struct relocation *c, struct err *e)
{
	if (c->moved_count == 0 && (c->pack == NULL || c->pack->end == c->pack->durable))
		return 0;
	struct connection *w = relocation_begin(c, e);

	return w == NULL ? -1 : relocation_commit(c, w, e);
}
