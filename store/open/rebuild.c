#include "store/open/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"
#include "store/catalogue/chunks.h"
#include "store/catalogue/rows.h"
#include "store/catalogue/state.h"
#include "store/catalogue/totals.h"
#include "store/gc/tombstones.h"
#include "store/open/catalogue_swap.h"
#include "store/open/store_internal.h"
#include "store/open/unlock.h"
#include "store/packs/packdir.h"
#include "store/packs/payload.h"
#include "store/packs/resync.h"

struct pack_found {
	unsigned char uuid[RECORD_UUID_SIZE];
	uint64_t made_ns;
};

/* The first part of a backup's record. */
struct recipe_found {
	unsigned char uuid[RECORD_UUID_SIZE];
	int64_t pack;
	int64_t offset;
	uint32_t ordinal;
};

struct rebuild {
	struct store *store;
	const struct rebuild_choice *choice; /* NULL: tombstones say what is listed */
	struct rebuild_totals *totals;
	struct codec *codec;
	struct seal *seal; /* of the pack that is read */
	unsigned char *frame;
	struct pack_found *packs; /* oldest first */
	size_t packs_count;
	struct recipe_found *recipes;
	size_t recipes_count;
	struct tombstone *deletions;
	size_t deletions_count;
};

static void
rebuild_free_at(struct rebuild *r)
{
	codec_free(r->codec);
	seal_free(r->seal);
	free(r->frame);
	free(r->packs);
	free(r->recipes);
	free(r->deletions);
	store_close(r->store);
}

static void
rebuild_recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

static struct scan
scan_at(struct rebuild *r, const unsigned char *uuid, int fd, int64_t at, uint32_t ordinal)
{
	seal_settle(&r->seal, r->store->cipher, uuid);
	struct scan scan = {.io = &r->store->io,
		.fd = fd,
		.codec = r->codec,
		.seal = r->seal,
		.frame = r->frame,
		.at = at,
		.ordinal = ordinal};

	memcpy(scan.uuid, uuid, RECORD_UUID_SIZE);
	return scan;
}

static int
pack_find(void *ctx, const unsigned char uuid[RECORD_UUID_SIZE], struct err *e)
{
	struct rebuild *r = ctx;
	struct pack_found *p;
	unsigned char header[RECORD_SIZE];
	struct record first;
	struct err ignored;
	int fd = -1;

	if (packs_open(r->store, uuid, O_RDONLY, &fd, e) != 0)
		return -1;
	const ssize_t n = io_read_all(&r->store->io, fd, header, sizeof(header), 0);
	(void)r->store->io.close(r->store->io.ctx, fd);
	if (n < 0)
		return err_errno(e, "cannot read a pack");
	r->packs = mem_array(r->packs, r->packs_count + 1, sizeof(*r->packs));
	p = &r->packs[r->packs_count++];
	*p = (struct pack_found){0};
	memcpy(p->uuid, uuid, RECORD_UUID_SIZE);
	if (n != RECORD_SIZE || record_decode(header, &first, &ignored) != 0)
		return 0;
	seal_settle(&r->seal, r->store->cipher, uuid);
	if (seal_pack_check(r->seal, &first, e) != 0)
		return e->code == ERR_DENIED ? -1 : 0;
	p->made_ns = first.number;
	return 0;
}

static int
by_age(const void *a, const void *b)
{
	const struct pack_found *x = a;
	const struct pack_found *y = b;

	if (x->made_ns != y->made_ns)
		return x->made_ns < y->made_ns ? -1 : 1;
	return memcmp(x->uuid, y->uuid, RECORD_UUID_SIZE);
}

/* Numbers up to this one are used. */
static int
number_note(struct connection *w, uint64_t last, int64_t chunks, int64_t plain, int64_t stored,
	struct err *e)
{
	return statement_run(
		       w, SQL_COUNTS_ADD, e, "iiii", (int64_t)last + 1, chunks, plain, stored) < 0
		       ? -1
		       : 0;
}

/* Its row follows the younger copy, unless that is damaged and the older is not. */
static int
chunk_again(struct connection *w, const struct chunk *old, const struct chunk *found, struct err *e)
{
	if (memcmp(old->id, found->id, sizeof(found->id)) != 0 ||
		old->plain_len != found->plain_len || old->stored_len != found->stored_len ||
		(found->bad && !old->bad))
		return 0;
	if (statement_run(w, SQL_CHUNK_MOVE, e, "iiiii", (int64_t)found->number, old->pack,
		    found->pack, found->offset, (int64_t)found->ordinal) < 0)
		return -1;
	return statement_run(w, found->bad ? SQL_CHUNK_BAD : SQL_CHUNK_MENDED, e, "ii",
		       (int64_t)found->number, found->pack) < 0
		       ? -1
		       : 0;
}

static int
chunk_take(struct rebuild *r, struct connection *w, const struct chunk *chunk, struct err *e)
{
	struct chunk present;
	struct err ignored;

	if (chunk->number == 0 || chunk->number >= INT64_MAX || chunk->plain_len == 0)
		return 0;
	if (chunks_range(w, chunk->number, 1, &present, &ignored) == 0) {
		const bool other = memcmp(present.id, chunk->id, sizeof(chunk->id)) != 0;
		r->totals->numbers_twice += other && !present.bad && !chunk->bad;
		return chunk_again(w, &present, chunk, e);
	}
	if (chunks_add(w, chunk, e) != 0 || chunks_add_index(w, chunk, e) != 0)
		return -1;
	if (chunk->bad &&
		statement_run(w, SQL_CHUNK_BAD, e, "ii", (int64_t)chunk->number, chunk->pack) < 0)
		return -1;
	r->totals->chunks++;
	return number_note(w, chunk->number, 1, chunk->plain_len, chunk->stored_len, e);
}

/* A tombstone, whose frame was just read. */
static int
deletion_take(struct rebuild *r, const struct record *record, struct err *e)
{
	const void *name =
		codec_expand(r->codec, r->frame, record->stored_len, record->plain_len, e);

	if (name == NULL)
		return -1;
	r->deletions = mem_array(r->deletions, r->deletions_count + 1, sizeof(*r->deletions));
	r->deletions[r->deletions_count++] = tombstone_of(r->codec, name, record->plain_len);
	return 0;
}

static int
record_take(struct rebuild *r, struct connection *w, const struct record *record, int64_t pack,
	int64_t offset, bool bad, struct err *e)
{
	struct chunk chunk = {
		.number = record->number,
		.pack = pack,
		.offset = offset,
		.ordinal = record->ordinal,
		.plain_len = record->plain_len,
		.stored_len = record->stored_len,
		.bad = bad,
	};

	if (record->type == RECORD_CHUNK) {
		memcpy(chunk.id, record->id, sizeof(chunk.id));
		return chunk_take(r, w, &chunk, e);
	}
	if (record->type == RECORD_DELETION && !bad)
		return deletion_take(r, record, e);
	if (record->type == RECORD_RECIPE && (record->number & UINT32_MAX) == 0 && !bad) {
		r->recipes = mem_array(r->recipes, r->recipes_count + 1, sizeof(*r->recipes));
		struct recipe_found *f = &r->recipes[r->recipes_count++];
		*f = (struct recipe_found){
			.pack = pack, .offset = offset, .ordinal = record->ordinal};
		memcpy(f->uuid, record->pack, RECORD_UUID_SIZE);
	}
	return 0;
}

static int
records_take(struct rebuild *r, struct connection *w, struct scan *scan, int64_t end, int64_t pack,
	struct err *e)
{
	for (;;) {
		struct record record;
		int64_t offset = 0;
		const enum resync found =
			resync_next(scan, end, &record, &offset, &r->totals->records_damaged, e);
		if (found == RESYNC_ERROR)
			return -1;
		if (found == RESYNC_END)
			return 0;
		if (record_take(r, w, &record, pack, offset, found == RESYNC_BAD, e) != 0)
			return -1;
	}
}

static int
pack_read(struct rebuild *r, const struct pack_found *p, int fd, struct err *e)
{
	struct scan scan = scan_at(r, p->uuid, fd, RECORD_SIZE, 1);
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);
	struct stat st;

	if (w == NULL)
		return -1;
	if (r->store->io.fstat(r->store->io.ctx, fd, &st) != 0)
		return err_errno(e, "cannot stat a pack");
	if (statement_run(w, SQL_PACK_ADD, e, "biii", p->uuid, (size_t)RECORD_UUID_SIZE,
		    (int64_t)PACK_SEALED, (int64_t)0, (int64_t)0) < 0)
		return -1;
	const int64_t pack = sqlite3_last_insert_rowid(w->db);
	if (records_take(r, w, &scan, st.st_size, pack, e) != 0 ||
		statement_run(w, SQL_PACK_SETTLE, e, "iiii", pack, scan.at, (int64_t)scan.ordinal,
			(int64_t)PACK_SEALED) < 0)
		return -1;
	r->totals->packs++;
	return catalogue_commit(TAKE(w), e);
}

static int
packs_read(struct rebuild *r, struct err *e)
{
	if (packdir_each(r->store, pack_find, r, e) != 0)
		return -1;
	if (r->packs_count > 0)
		qsort(r->packs, r->packs_count, sizeof(*r->packs), by_age);
	for (size_t i = 0; i < r->packs_count; i++) {
		int fd = -1;
		if (packs_open(r->store, r->packs[i].uuid, O_RDONLY, &fd, e) != 0)
			return -1;
		const int result = pack_read(r, &r->packs[i], fd, e);
		(void)r->store->io.close(r->store->io.ctx, fd);
		if (result != 0)
			return -1;
	}
	return 0;
}

/* All parts, one behind the other: 1, 0 if they are not all there and right, -1. */
static int
payload_read(struct rebuild *r, struct scan *scan, struct buf *to, struct err *e)
{
	struct record first = {0};
	struct record record;
	unsigned char id[RECORD_ID_SIZE];
	int64_t offset = 0;
	uint64_t parts = 1;

	for (uint64_t part = 0; part < parts; part++) {
		const int more = scan_next(scan, &record, &offset, e);
		if (more != 1)
			return more;
		if (part == 0) {
			first = record;
			parts = record.number >> 32;
		}
		if (record.type != RECORD_RECIPE || record.number != (part | parts << 32) ||
			memcmp(record.id, first.id, sizeof(id)) != 0)
			return 0;
		const void *plain =
			codec_expand(r->codec, r->frame, record.stored_len, record.plain_len, e);
		if (plain == NULL || buf_add(to, plain, record.plain_len) != 0)
			return 0;
	}
	if (to->len == 0)
		return 0;
	codec_id(r->codec, to->data, to->len, id);
	return memcmp(id, first.id, sizeof(id)) == 0;
}

/* Totals of what is there; ${ret_damaged}: something is not. */
static int
totals_take(struct connection *w, const struct payload *p, const struct recipe *recipe,
	struct totals *ret_totals, bool *ret_damaged, struct err *e)
{
	*ret_damaged = false;
	if (totals_count(w, recipe, ret_totals, e) == 0)
		return 0;
	if (e->code != ERR_CORRUPT)
		return -1;
	*ret_damaged = true;
	ret_totals->marks_count = (size_t)((recipe_chunks(recipe) + MARK_CHUNKS - 1) / MARK_CHUNKS);
	ret_totals->marks = mem_new((ret_totals->marks_count + 1) * sizeof(*ret_totals->marks));
	sha256_hex(p->recipe, p->recipe_len, ret_totals->digest);
	return 0;
}

static void
totals_free_at(struct totals *t)
{
	totals_free(t);
}

static int
backup_write(struct rebuild *r, struct connection *w, const struct recipe_found *f,
	const struct payload *p, const struct recipe *recipe, struct err *e)
{
	SCOPED(totals_free_at) struct totals t = {0};
	SCOPED(free_at) char *id = mem_copy(p->id, p->id_len);
	SCOPED(free_at) char *record = mem_copy(p->record, p->record_len);
	bool damaged;

	if (totals_take(w, p, recipe, &t, &damaged, e) != 0)
		return -1;
	/* a younger copy, or one that was imported after its deletion, replaces an older one */
	const int again = statement_run(w, SQL_BACKUP_DROP, e, "ti", id, (int64_t)0);
	if (again < 0 ||
		statement_run(w, SQL_BACKUP_ADD_AT, e, "titi", id, p->created_ns, record,
			(int64_t)p->seq) < 0 ||
		statement_run(w, SQL_RECIPE_DROP, e, "t", id) < 0 ||
		statement_run(w, SQL_BACKUP_FINISH, e, "ttt", id, rows_state(record), record) < 0 ||
		statement_run(w, SQL_BACKUP_DAMAGED, e, "ti", id, (int64_t)damaged) < 0 ||
		statement_run(w, SQL_RECIPE_ADD, e, "tiiiitbb", id, f->pack, f->offset,
			t.plain_bytes, t.stored_bytes, t.digest, (const void *)t.marks,
			t.marks_count * sizeof(*t.marks), p->recipe, p->recipe_len) < 0)
		return -1;
	r->totals->backups += again == 0;
	r->totals->backups_damaged += damaged && again == 0;
	return 0;
}

/* 1: it is to be listed, 0, -1.  What was not chosen is deleted: the next sweep writes so. */
static int
payload_wanted(struct rebuild *r, struct connection *w, const struct recipe_found *f,
	const struct payload *p, struct err *e)
{
	const bool dead = tombstones_have(r->codec, r->deletions, r->deletions_count, p);

	if (r->choice == NULL)
		return !dead;
	SCOPED(free_at) char *id = mem_copy(p->id, p->id_len);
	if (r->choice->wanted(r->choice->ctx, id, p->created_ns))
		return 1;
	SCOPED(free_at) char *name = tombstones_name(p->id, p->id_len, p->created_ns);
	if (!dead && statement_run(w, SQL_DELETION_NOTE, e, "ti", name, f->pack) < 0)
		return -1;
	return 0;
}

/* A backup's record: its numbers are used even if it was deleted. */
static int
payload_take(
	struct rebuild *r, const struct recipe_found *f, const struct buf *bytes, struct err *e)
{
	SCOPED(rebuild_recipe_free_at) struct recipe recipe = RECIPE_INIT;
	struct payload p;
	uint64_t end = 0;

	if (payload_decode((const unsigned char *)bytes->data, bytes->len, &p, e) != 0 ||
		recipe_decode(p.recipe, p.recipe_len, &recipe, e) != 0) {
		r->totals->records_damaged++;
		return 0;
	}
	for (size_t i = 0; i < recipe.count; i++) {
		const uint64_t last = recipe.runs[i].first + recipe.runs[i].count;
		end = last > end ? last : end;
	}
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);
	if (w == NULL || (end > 0 && number_note(w, end - 1, 0, 0, 0, e) != 0))
		return -1;
	const int wanted = payload_wanted(r, w, f, &p, e);
	if (wanted < 0 || (wanted == 1 && backup_write(r, w, f, &p, &recipe, e) != 0))
		return -1;
	return catalogue_commit(TAKE(w), e);
}

/* A terabyte's recipe, if every chunk stood apart, is half of this. */
static const size_t PAYLOAD_MAX = 512U << 20;

static int
backup_read(struct rebuild *r, const struct recipe_found *f, struct err *e)
{
	SCOPED(buf_free) struct buf bytes = BUF_INIT(PAYLOAD_MAX);
	int fd = -1;

	if (packs_open(r->store, f->uuid, O_RDONLY, &fd, e) != 0)
		return -1;
	struct scan scan = scan_at(r, f->uuid, fd, f->offset, f->ordinal);
	const int read = payload_read(r, &scan, &bytes, e);
	(void)r->store->io.close(r->store->io.ctx, fd);
	if (read < 0)
		return -1;
	if (read == 1)
		return payload_take(r, f, &bytes, e);
	r->totals->records_damaged++;
	return 0;
}

/* Of those whose place is not known the times tell it, but for times that are still to come. */
static int
ahead_settle(struct rebuild *r, struct err *e)
{
	SCOPED(catalogue_rollback_at)
	struct connection *w = catalogue_begin(r->store->catalogue, e);

	if (w == NULL || statement_run(w, SQL_BACKUPS_AHEAD, e, "i", clock_real_ns()) < 0)
		return -1;
	return catalogue_commit(TAKE(w), e);
}

static int
rebuild_backups_read(struct rebuild *r, struct err *e)
{
	for (size_t i = 0; i < r->recipes_count; i++) {
		if (backup_read(r, &r->recipes[i], e) != 0)
			return -1;
	}
	r->totals->deletions = (int64_t)r->deletions_count;
	return ahead_settle(r, e);
}

int
rebuild_run(const char *path, const struct store_options *options,
	struct rebuild_totals *ret_totals, struct err *e)
{
	return rebuild_run_chosen(path, options, NULL, ret_totals, e);
}

/* Behind it the store is another one to its copies (rebuild.h). */
static int
copies_name_forget(struct store *s, struct err *e)
{
	if (s->io.unlinkat(s->io.ctx, s->fd, "copied/_store.json", 0) != 0 && errno != ENOENT)
		return err_errno(e, "cannot remove copied/_store.json");
	return 0;
}

int
rebuild_run_chosen(const char *path, const struct store_options *options,
	const struct rebuild_choice *choice, struct rebuild_totals *ret_totals, struct err *e)
{
	SCOPED(rebuild_free_at) struct rebuild r = {.choice = choice, .totals = ret_totals};

	*ret_totals = (struct rebuild_totals){0};
	if (store_hold(path, options, &r.store, e) != 0 || unlock_store(r.store, options, e) != 0)
		return -1;
	struct store *s = r.store;
	r.codec = codec_new(s->cipher);
	r.frame = mem_new(FRAME_MAX);
	if (catalogue_swap_begin(s, e) != 0 || packs_read(&r, e) != 0 ||
		rebuild_backups_read(&r, e) != 0 || copies_name_forget(s, e) != 0)
		return -1;
	return catalogue_swap_end(s, e);
}
