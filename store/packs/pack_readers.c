#include "store/packs/pack_readers.h"

#include <fcntl.h>
#include <string.h>

#include "base/scope.h"
#include "store/packs/packs.h"

void
pack_readers_init(struct pack_readers *p, struct store *s)
{
	*p = (struct pack_readers){.store = s};
	for (int i = 0; i < PACKFILES; i++)
		p->files[i].fd = -1;
}

static void
file_close(struct pack_readers *p, struct packfile *f)
{
	if (f->fd >= 0)
		(void)p->store->io.close(p->store->io.ctx, f->fd);
	seal_free(f->seal);
	*f = (struct packfile){.fd = -1};
}

void
pack_readers_close(struct pack_readers *p)
{
	for (int i = 0; i < PACKFILES; i++)
		file_close(p, &p->files[i]);
}

static int
uuid_of(struct store *s, int64_t pack, unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_PACK_UUID, e, "i", pack);
	const int found = q == NULL ? -1 : statement_step(c, q, e);

	if (found < 0)
		return -1;
	if (found == 0 || sqlite3_column_bytes(q, 0) != RECORD_UUID_SIZE)
		return err_set(e, ERR_CORRUPT, "a chunk's pack has no row in the catalogue");
	memcpy(uuid, sqlite3_column_blob(q, 0), RECORD_UUID_SIZE);
	return 0;
}

static struct packfile *
file_of(struct pack_readers *p, int64_t pack, struct err *e)
{
	for (int i = 0; i < PACKFILES; i++) {
		if (p->files[i].fd >= 0 && p->files[i].pack == pack)
			return &p->files[i];
	}
	struct packfile *f = &p->files[p->next++ % PACKFILES];
	file_close(p, f);
	f->pack = pack;
	if (uuid_of(p->store, pack, f->uuid, e) != 0 ||
		packs_open(p->store, f->uuid, O_RDONLY, &f->fd, e) != 0)
		return NULL;
	f->seal = seal_new(p->store->cipher, f->uuid);
	return f;
}

int
pack_readers_check(const unsigned char *header, const struct chunk *c,
	const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	struct record found;

	if (record_decode(header, &found, e) != 0)
		return -1;
	if (found.type == RECORD_CHUNK && found.number == c->number &&
		found.ordinal == c->ordinal && found.plain_len == c->plain_len &&
		found.stored_len == c->stored_len && memcmp(found.id, c->id, sizeof(c->id)) == 0 &&
		memcmp(found.pack, uuid, RECORD_UUID_SIZE) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT, "this is not the record of chunk %llu",
		(unsigned long long)c->number);
}

int
pack_readers_blame(struct pack_readers *p, const struct chunk *c, struct err *e)
{
	char name[PACK_NAME_SIZE];
	struct err ignored;
	const struct packfile *f = file_of(p, c->pack, &ignored);

	return err_prefix(e, "pack %s at %lld", f == NULL ? "?" : packs_name(f->uuid, name),
		(long long)c->offset);
}

int
pack_readers_read(struct pack_readers *p, const struct chunk *c, unsigned char *to, struct err *e)
{
	const struct io *io = &p->store->io;
	const struct packfile *f = file_of(p, c->pack, e);

	if (f == NULL)
		return -1;
	if (c->stored_len > FRAME_MAX || c->plain_len == 0 || c->plain_len > CHUNK_MAX)
		return err_set(e, ERR_CORRUPT, "the chunk %llu has an impossible length",
			(unsigned long long)c->number);
	const size_t len = (size_t)RECORD_SIZE + c->stored_len;
	const ssize_t n = io_read_all(io, f->fd, to, len, (off_t)c->offset);
	int result = 0;
	if (n < 0)
		result = err_errno(e, "cannot read");
	else if ((size_t)n != len)
		result = err_set(e, ERR_CORRUPT, "the file is cut off");
	else if (seal_read(f->seal, c->ordinal, to, len, e) != 0)
		result = -1;
	else
		result = pack_readers_check(to, c, f->uuid, e);
	return result == 0 ? 0 : pack_readers_blame(p, c, e);
}
