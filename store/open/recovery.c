#include "store/open/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/chunks.h"
#include "store/catalogue/damage.h"
#include "store/gc/unlink_later.h"
#include "store/packs/packdir.h"
#include "store/packs/scan.h"

/* A row of `packs`, and whether its file was seen. */
struct known {
	unsigned char uuid[RECORD_UUID_SIZE]; /* first: the key of the search */
	int64_t row;
	enum pack_state state;
	int64_t bytes;
	uint32_t records;
	bool seen;
};

struct recovery_recovery {
	struct store *store;
	struct known *known; /* sorted by uuid */
	size_t known_count;
	unsigned char (*strangers)[RECORD_UUID_SIZE]; /* files without a row */
	size_t strangers_count;
	bool damage; /* the set of lost packs has changed */
	struct codec *codec;
	struct seal *seal; /* of the pack that is scanned */
	unsigned char *frame;
};

static void
recovery_free_at(struct recovery_recovery *r)
{
	free(r->known);
	free(r->strangers);
	free(r->frame);
	codec_free(r->codec);
	seal_free(r->seal);
}

static int
known_load(struct recovery_recovery *r, struct err *e)
{
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(r->store->catalogue, e);
	size_t room = 0;

	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *s = statement_bind(c, SQL_PACK_LIST, e, "");
	int more = s == NULL ? -1 : 1;
	while (more > 0 && (more = statement_step(c, s, e)) > 0) {
		if (r->known_count == room) {
			room = room == 0 ? 256 : room * 2;
			r->known = mem_array(r->known, room, sizeof(*r->known));
		}
		if (sqlite3_column_bytes(s, 1) != RECORD_UUID_SIZE)
			return err_set(e, ERR_CORRUPT, "the catalogue: a pack's row has no uuid");
		struct known *k = &r->known[r->known_count++];
		*k = (struct known){
			.row = sqlite3_column_int64(s, 0),
			.state = (enum pack_state)sqlite3_column_int(s, 2),
			.bytes = sqlite3_column_int64(s, 3),
			.records = (uint32_t)sqlite3_column_int64(s, 4),
		};
		memcpy(k->uuid, sqlite3_column_blob(s, 1), RECORD_UUID_SIZE);
	}
	return more;
}

static int
by_uuid(const void *a, const void *b)
{
	return memcmp(a, b, RECORD_UUID_SIZE);
}

static int
file_note(void *ctx, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	struct recovery_recovery *r = ctx;
	struct known *k = r->known_count == 0 ? NULL
					      : bsearch(uuid, r->known, r->known_count,
							sizeof(*r->known), by_uuid);

	(void)e;
	if (k != NULL) {
		k->seen = true;
		return 0;
	}
	r->strangers = mem_array(r->strangers, r->strangers_count + 1, sizeof(*r->strangers));
	memcpy(r->strangers[r->strangers_count++], uuid, RECORD_UUID_SIZE);
	return 0;
}

static int
chunk_adopt(struct recovery_recovery *r, struct connection *w, const struct record *record,
	int64_t pack, int64_t offset, struct err *e)
{
	struct chunk chunk = {
		.number = record->number,
		.pack = pack,
		.offset = offset,
		.ordinal = record->ordinal,
		.plain_len = record->plain_len,
		.stored_len = record->stored_len,
	};
	struct chunk present;
	struct err ignored;

	memcpy(chunk.id, record->id, sizeof(chunk.id));
	if (record->number == 0 || record->number >= INT64_MAX)
		return 0;
	/* the number is taken where the catalogue is older than the packs: its row stays; or a
	 * session was about to heal it (session.c) */
	if (chunks_range(w, record->number, 1, &present, &ignored) == 0) {
		const int healed = present.bad ? chunks_heal(w, &chunk, e) : 0;
		r->damage |= healed > 0;
		return healed < 0 ? -1 : 0;
	}
	if (chunks_add(w, &chunk, e) != 0 || chunks_add_index(w, &chunk, e) != 0)
		return -1;
	if (record->number >= r->store->next_number)
		r->store->next_number = record->number + 1;
	return statement_run(w, SQL_COUNTS_ADD, e, "iiii", (int64_t)r->store->next_number,
		       (int64_t)1, (int64_t)record->plain_len, (int64_t)record->stored_len) < 0
		       ? -1
		       : 0;
}

/* Adopt the chunks from scan->at on.  ${stop}: not beyond a recipe. */
static int
chunks_adopt(struct recovery_recovery *r, struct connection *w, struct scan *scan, int64_t pack,
	bool stop, struct err *e)
{
	for (;;) {
		const struct scan before = *scan;
		struct record record;
		int64_t offset = 0;
		const int more = scan_next(scan, &record, &offset, e);
		if (more != 1)
			return more;
		if (record.type == RECORD_RECIPE && stop) {
			*scan = before;
			return 0;
		}
		if (record.type == RECORD_CHUNK && chunk_adopt(r, w, &record, pack, offset, e) != 0)
			return -1;
	}
}

static struct scan
scan_start(struct recovery_recovery *r, const unsigned char uuid[RECORD_UUID_SIZE], int fd)
{
	struct scan scan = {.io = &r->store->io, .fd = fd};

	if (r->codec == NULL) {
		r->codec = codec_new(r->store->cipher);
		r->frame = mem_new(FRAME_MAX);
	}
	seal_settle(&r->seal, r->store->cipher, uuid);
	scan.seal = r->seal;
	scan.codec = r->codec;
	scan.frame = r->frame;
	memcpy(scan.uuid, uuid, RECORD_UUID_SIZE);
	return scan;
}

static int
cut(struct recovery_recovery *r, int fd, int64_t end, struct err *e)
{
	const struct io *io = &r->store->io;
	struct stat st;

	if (io->fstat(io->ctx, fd, &st) != 0)
		return err_errno(e, "cannot stat a pack");
	if (st.st_size > end && io->ftruncate(io->ctx, fd, (off_t)end) != 0)
		return err_errno(e, "cannot cut a pack back to its valid records");
	if (io->fdatasync(io->ctx, fd) != 0)
		return err_errno(e, "cannot sync a pack");
	return 0;
}

static int
open_pack_settle(struct recovery_recovery *r, const struct known *k, int fd, struct err *e)
{
	struct scan scan = scan_start(r, k->uuid, fd);
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);

	scan.at = k->bytes;
	scan.ordinal = k->records;
	if (w == NULL || chunks_adopt(r, w, &scan, k->row, true, e) != 0 ||
		cut(r, fd, scan.at, e) != 0 ||
		statement_run(w, SQL_PACK_SETTLE, e, "iiii", k->row, scan.at, (int64_t)scan.ordinal,
			(int64_t)PACK_SEALED) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

/* Without a row nothing was ever appended; what is longer is not ours to remove. */
static int
stranger_empty(struct store *s, const unsigned char uuid[RECORD_UUID_SIZE], int fd, struct err *e)
{
	char name[PACK_NAME_SIZE];
	struct stat st;

	if (s->io.fstat(s->io.ctx, fd, &st) != 0)
		return err_errno(e, "cannot stat a pack");
	if (st.st_size > RECORD_SIZE)
		return 0;
	if (s->io.unlinkat(s->io.ctx, s->packs_fd, packs_name(uuid, name), 0) != 0)
		return err_errno(e, "cannot remove the empty pack %s", name);
	return 0;
}

/* A file without a row: see recovery.h, 3. */
static int
stranger_settle(struct recovery_recovery *r, const unsigned char uuid[RECORD_UUID_SIZE], int fd,
	struct err *e)
{
	const struct io *io = &r->store->io;
	struct scan scan = scan_start(r, uuid, fd);
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);

	if (w == NULL || statement_run(w, SQL_PACK_ADD, e, "biii", uuid, (size_t)RECORD_UUID_SIZE,
				 (int64_t)PACK_SEALED, (int64_t)0, (int64_t)0) < 0)
		return -1;
	const int64_t pack = sqlite3_last_insert_rowid(w->db);
	scan.at = RECORD_SIZE;
	scan.ordinal = 1;
	if (chunks_adopt(r, w, &scan, pack, false, e) != 0)
		return -1;
	if (scan.at == RECORD_SIZE)
		return stranger_empty(r->store, uuid, fd, e);
	if (io->fdatasync(io->ctx, fd) != 0)
		return err_errno(e, "cannot sync a pack");
	if (statement_run(w, SQL_PACK_SETTLE, e, "iiii", pack, scan.at, (int64_t)scan.ordinal,
		    (int64_t)PACK_SEALED) < 0 ||
		statement_run(w, SQL_PACK_ADOPTED, e, "i", pack) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

/* Open the pack's file and settle it: ${k} NULL for a file without a row. */
static int
pack_settle(struct recovery_recovery *r, const struct known *k, const unsigned char *uuid,
	struct err *e)
{
	int fd = -1;

	if (packs_open(r->store, uuid, O_RDWR, &fd, e) != 0)
		return -1;
	const int result =
		k != NULL ? open_pack_settle(r, k, fd, e) : stranger_settle(r, uuid, fd, e);
	(void)r->store->io.close(r->store->io.ctx, fd);
	return result;
}

/* Note that the pack's file is gone, or back. */
static int
loss_settle(struct recovery_recovery *r, const struct known *k, struct err *e)
{
	const enum statement change = k->seen ? SQL_CHUNKS_FOUND : SQL_CHUNKS_LOST;
	const int64_t state = k->seen ? PACK_SEALED : PACK_DAMAGED;
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);

	if (w == NULL || statement_run(w, SQL_PACK_STATE, e, "ii", k->row, state) < 0 ||
		statement_run(w, change, e, "i", k->row) < 0 ||
		statement_run(w, SQL_GENERATION_NEXT, e, "") < 0)
		return -1;
	r->damage = true;
	return catalogue_commit(TAKE(w), e);
}

static int
recovery_backups_mark(struct recovery_recovery *r, struct err *e)
{
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);
	if (w == NULL)
		return -1;
	{
		SCOPED(statement_done_at)
		sqlite3_stmt *s = statement_bind(w, SQL_RECIPE_LIST, e, "");
		int more = s == NULL ? -1 : 1;
		while (more > 0 && (more = statement_step(w, s, e)) > 0) {
			const int damaged = damage_of(w, sqlite3_column_blob(s, 1),
				(size_t)sqlite3_column_bytes(s, 1), e);
			if (damaged < 0 || statement_run(w, SQL_BACKUP_DAMAGED, e, "ti",
						   (const char *)sqlite3_column_text(s, 0),
						   (int64_t)damaged) < 0)
				return -1;
		}
		if (more < 0)
			return -1;
	}
	return catalogue_commit(TAKE(w), e);
}

/* What cannot be removed now is left to the next sweep; but a full store must get its room. */
static int
recovery_doomed_settle(struct recovery_recovery *r, const struct known *k, struct err *e)
{
	if (unlink_later_remove(r->store, k->row, k->uuid, e) != 0 && e->code == ERR_NO_SPACE)
		return -1;
	return 0;
}

static int
known_settle(struct recovery_recovery *r, const struct known *k, struct err *e)
{
	if (k->state == PACK_DOOMED)
		return recovery_doomed_settle(r, k, e);
	if (!k->seen)
		return k->state == PACK_DAMAGED ? 0 : loss_settle(r, k, e);
	if (k->state == PACK_DAMAGED && loss_settle(r, k, e) != 0)
		return -1;
	return k->state == PACK_OPEN ? pack_settle(r, k, k->uuid, e) : 0;
}

static int
running_drop(struct recovery_recovery *r, struct err *e)
{
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);
	const int dropped = w == NULL ? -1 : statement_run(w, SQL_BACKUPS_RUNNING_DROP, e, "");

	if (dropped <= 0)
		return dropped;
	return catalogue_commit(TAKE(w), e);
}

int
recovery_run(struct store *s, struct err *e)
{
	SCOPED(recovery_free_at) struct recovery_recovery r = {.store = s};

	if (known_load(&r, e) != 0 || packdir_each(s, file_note, &r, e) != 0)
		return -1;
	for (size_t i = 0; i < r.known_count; i++) {
		if (known_settle(&r, &r.known[i], e) != 0)
			return -1;
	}
	for (size_t i = 0; i < r.strangers_count; i++) {
		if (pack_settle(&r, NULL, r.strangers[i], e) != 0)
			return -1;
	}
	if (r.damage && recovery_backups_mark(&r, e) != 0)
		return -1;
	return running_drop(&r, e);
}
