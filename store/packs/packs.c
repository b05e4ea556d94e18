#include "store/packs/packs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/scope.h"
#include "store/packs/codec.h"

/* One pwrite for so many bytes; larger ones gain nothing, two sessions' fit the memory's limit. */
enum { BATCH_SIZE = 2 << 20 };

static_assert((size_t)BATCH_SIZE >= (size_t)RECORD_SIZE + (size_t)FRAME_MAX, "a record fits");

static const char SUFFIX[] = ".zpk";
enum { HEX_LEN = 2 * RECORD_UUID_SIZE };

const char *
packs_name(const unsigned char uuid[RECORD_UUID_SIZE], char name[PACK_NAME_SIZE])
{
	char hex[HEX_LEN + 1];

	(void)hex_text(uuid, RECORD_UUID_SIZE, hex);
	(void)snprintf(name, PACK_NAME_SIZE, "%.2s/%s%s", hex, hex, SUFFIX);
	return name;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
packs_uuid(const char *file, unsigned char uuid[RECORD_UUID_SIZE])
{
	if (strlen(file) != HEX_LEN + sizeof(SUFFIX) - 1 || strcmp(file + HEX_LEN, SUFFIX) != 0)
		return false;
	for (size_t i = 0; i < RECORD_UUID_SIZE; i++) {
		const int high = hex_digit(file[2 * i]);
		const int low = hex_digit(file[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		uuid[i] = (unsigned char)(high * 16 + low);
	}
	return true;
}

static void
pack_free(struct store *s, struct pack *p)
{
	if (p->fd >= 0)
		(void)s->io.close(s->io.ctx, p->fd);
	seal_free(p->seal);
	free(p->batch);
	free(p);
}

/* The file with its header, durable. */
static int
file_make(struct store *s, struct pack *p, const char *name, struct err *e)
{
	const struct io *io = &s->io;
	unsigned char header[RECORD_SIZE];
	struct record r = {.type = RECORD_PACK, .number = (uint64_t)clock_real_ns()};

	memcpy(r.pack, p->uuid, sizeof(r.pack));
	seal_pack(p->seal, &r, header);
	p->fd = io->openat(io->ctx, s->packs_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (p->fd < 0)
		return err_errno(e, "cannot make the pack %s", name);
	if (io_write_all(io, p->fd, header, sizeof(header), 0) != 0 ||
		io->fdatasync(io->ctx, p->fd) != 0)
		return err_errno(e, "cannot write the pack %s", name);
	p->end = p->written = p->synced = p->durable = RECORD_SIZE;
	p->ordinal = 1;
	return 0;
}

/* The folder ${name} with its entry durable, and open to be synced once the file is in it. */
static int
packs_folder_make(struct store *s, const char *name, int *ret_fd, struct err *e)
{
	const struct io *io = &s->io;

	if (io->mkdirat(io->ctx, s->packs_fd, name, 0700) != 0 && errno != EEXIST)
		return err_errno(e, "cannot make the folder packs/%s", name);
	/* each time: who made it may have died before this */
	if (io->fsync(io->ctx, s->packs_fd) != 0)
		return err_errno(e, "cannot sync the folder packs");
	*ret_fd = io->openat(io->ctx, s->packs_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (*ret_fd < 0)
		return err_errno(e, "cannot open the folder packs/%s", name);
	return 0;
}

static int
files_make(struct store *s, struct pack *p, const char *name, struct err *e)
{
	const char folder[] = {name[0], name[1], '\0'};
	int folder_fd = -1;

	if (packs_folder_make(s, folder, &folder_fd, e) != 0)
		return -1;
	int result = file_make(s, p, name, e);
	if (result == 0 && s->io.fsync(s->io.ctx, folder_fd) != 0)
		result = err_errno(e, "cannot sync the folder packs/%s", folder);
	(void)s->io.close(s->io.ctx, folder_fd);
	return result;
}

static int
row_make(struct store *s, struct pack *p, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL || statement_run(w, SQL_PACK_ADD, e, "biii", p->uuid, sizeof(p->uuid),
				 (int64_t)PACK_OPEN, p->durable, (int64_t)p->ordinal) < 0)
		return -1;
	p->row = sqlite3_last_insert_rowid(w->db);
	return catalogue_commit(TAKE(w), e);
}

int
packs_create(struct store *s, struct pack **ret_pack, struct err *e)
{
	char name[PACK_NAME_SIZE];
	struct pack *p = mem_new(sizeof(*p));

	p->fd = -1;
	random_bytes(p->uuid, sizeof(p->uuid));
	p->seal = seal_new(s->cipher, p->uuid);
	(void)packs_name(p->uuid, name);
	if (files_make(s, p, name, e) != 0 || row_make(s, p, e) != 0) {
		/* if the row is there after all, the next start finds both or marks it */
		if (p->fd >= 0 && p->durable == 0)
			(void)s->io.unlinkat(s->io.ctx, s->packs_fd, name, 0);
		pack_free(s, p);
		return -1;
	}
	p->batch = mem_new(BATCH_SIZE);
	*ret_pack = p;
	return 0;
}

struct pack *
packs_take(struct store *s, int64_t size)
{
	LOCKED(&s->mutex);
	if (s->idle == NULL || s->idle->end + size > s->pack_bytes)
		return NULL;
	return TAKE(s->idle);
}

void
packs_leave(struct store *s, struct pack *p)
{
	if (!p->poisoned && !p->uncertain) {
		LOCKED(&s->mutex);
		if (s->idle == NULL) {
			s->idle = p;
			return;
		}
	}
	packs_close(s, p);
}

void
packs_seal(struct store *s)
{
	struct pack *idle;

	{
		LOCKED(&s->mutex);
		idle = TAKE(s->idle);
	}
	if (idle != NULL)
		packs_close(s, idle);
}

int
packs_open(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], int flags, int *ret_fd,
	struct err *e)
{
	char name[PACK_NAME_SIZE];

	*ret_fd =
		s->io.openat(s->io.ctx, s->packs_fd, packs_name(uuid, name), flags | O_CLOEXEC, 0);
	if (*ret_fd >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(e, ERR_CORRUPT, "the pack %s is gone", name);
	return err_errno(e, "cannot open the pack %s", name);
}

static int
poison(struct pack *p, const char *what, struct err *e)
{
	char name[PACK_NAME_SIZE];

	p->poisoned = true;
	return err_errno(e, "cannot %s the pack %s", what, packs_name(p->uuid, name));
}

static int
batch_write(struct store *s, struct pack *p, struct err *e)
{
	const size_t len = (size_t)(p->end - p->written);

	assert(!p->poisoned);
	if (len > 0 && io_write_all(&s->io, p->fd, p->batch, len, p->written) != 0)
		return poison(p, "write", e);
	/* So that the next sync finds little left to wait for.  Promises nothing: packs_sync does.
	 */
	if (len > 0)
		(void)s->io.sync_file_range(
			s->io.ctx, p->fd, p->written, (off_t)len, SYNC_FILE_RANGE_WRITE);
	p->written = p->end;
	return 0;
}

int
packs_append(struct store *s, struct pack *p, struct record *r, const void *frame,
	int64_t *ret_offset, struct err *e)
{
	const int64_t size = (int64_t)RECORD_SIZE + r->stored_len;

	assert(r->stored_len <= FRAME_MAX && p->ordinal < UINT32_MAX);
	if (p->end - p->written + size > BATCH_SIZE && batch_write(s, p, e) != 0)
		return -1;
	memcpy(r->pack, p->uuid, sizeof(r->pack));
	r->ordinal = p->ordinal++;
	seal_write(p->seal, r, frame, p->batch + (p->end - p->written));
	*ret_offset = p->end;
	p->end += size;
	return 0;
}

int
packs_sync(struct store *s, struct pack *p, struct err *e)
{
	if (batch_write(s, p, e) != 0)
		return -1;
	if (p->synced == p->end)
		return 0;
	if (s->io.fdatasync(s->io.ctx, p->fd) != 0)
		return poison(p, "sync", e);
	p->synced = p->end;
	return 0;
}

int
packs_settle(struct connection *w, const struct pack *p, enum pack_state state, struct err *e)
{
	assert(p->synced == p->end && !p->poisoned);
	return statement_run(w, SQL_PACK_SETTLE, e, "iiii", p->row, p->synced, (int64_t)p->ordinal,
		       (int64_t)state) < 0
		       ? -1
		       : 0;
}

/*
 * Numbers that stand in a poisoned pack's cut-off part are noted as used: a copy of that file from
 * before the cut must never be taken for chunks that a later process numbered anew.
 */
static int
end_write(struct connection *w, const struct pack *p, int64_t next_number, struct err *e)
{
	if (p->synced > p->durable && !p->poisoned)
		return packs_settle(w, p, PACK_SEALED, e);
	if (statement_run(w, SQL_PACK_STATE, e, "ii", p->row, (int64_t)PACK_SEALED) < 0 ||
		statement_run(w, SQL_COUNTS_ADD, e, "iiii", next_number, (int64_t)0, (int64_t)0,
			(int64_t)0) < 0)
		return -1;
	return 0;
}

static void
packs_end(struct store *s, const struct pack *p)
{
	struct err ignored;
	int64_t next_number;

	{
		LOCKED(&s->mutex);
		next_number = (int64_t)s->next_number;
	}
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(s->catalogue, &ignored);

	if (w != NULL && end_write(w, p, next_number, &ignored) == 0)
		(void)catalogue_commit(TAKE(w), &ignored);
}

/* Append and sync what makes the length a multiple of PACK_ROUND; an error poisons the pack. */
static void
pad(struct store *s, struct pack *p)
{
	const int64_t over = (p->end + RECORD_SIZE) % PACK_ROUND;
	struct record r = {.type = RECORD_PADDING,
		.stored_len = over == 0 ? 0 : (uint32_t)(PACK_ROUND - over)};
	SCOPED(free_at) unsigned char *zeros = mem_new(PACK_ROUND);
	struct err ignored;
	int64_t offset = 0;

	if (packs_append(s, p, &r, zeros, &offset, &ignored) == 0)
		(void)packs_sync(s, p, &ignored);
}

void
packs_close(struct store *s, struct pack *p)
{
	const bool clean = !p->poisoned && !p->uncertain && p->end == p->durable;

	if (clean && p->seal != NULL)
		pad(s, p);
	if (!p->uncertain && ((clean && !p->poisoned) ||
				     s->io.ftruncate(s->io.ctx, p->fd, (off_t)p->durable) == 0))
		packs_end(s, p);
	pack_free(s, p);
}
