#include "store/read/backup_packs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/chunks.h"
#include "store/catalogue/rows.h"
#include "store/catalogue/state.h"

enum { ROWS_AT_ONCE = 256 };

static int
pack_load(struct connection *c, struct backup_pack *p, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_PACK_GET, e, "i", p->row);
	const int found = s == NULL ? -1 : statement_step(c, s, e);

	if (found < 0)
		return -1;
	if (found == 0 || sqlite3_column_bytes(s, 0) != RECORD_UUID_SIZE)
		return err_set(e, ERR_CORRUPT, "the catalogue has lost a pack's row");
	memcpy(p->uuid, sqlite3_column_blob(s, 0), RECORD_UUID_SIZE);
	p->state = (enum pack_state)sqlite3_column_int(s, 1);
	p->bytes = sqlite3_column_int64(s, 2);
	return 0;
}

/* The place of the pack with that row in the list, to which it is added; -1.  The last ones that
 * were asked for are the likely ones. */
static ssize_t
pack_place(struct connection *c, struct backup_packs *b, int64_t row, struct err *e)
{
	for (size_t i = b->count; i > 0; i--) {
		if (b->packs[i - 1].row == row)
			return (ssize_t)(i - 1);
	}
	struct backup_pack p = {.row = row};
	if (pack_load(c, &p, e) != 0)
		return -1;
	b->packs = mem_array(b->packs, b->count + 1, sizeof(*b->packs));
	b->packs[b->count] = p;
	return (ssize_t)b->count++;
}

static int
chunk_count(struct connection *c, struct backup_packs *b, const struct chunk *row, ssize_t *last,
	struct err *e)
{
	if (pins_has(&b->chunks, row->number))
		return 0;
	if (row->bad)
		return err_set(e, ERR_CORRUPT,
			"the chunk %llu, which it needs, is damaged: the next backup, or a copy, "
			"may "
			"heal it",
			(unsigned long long)row->number);
	pins_add(&b->chunks, row->number, 1);
	if (*last < 0 || b->packs[*last].row != row->pack)
		*last = pack_place(c, b, row->pack, e);
	if (*last < 0)
		return -1;
	b->packs[*last].chunks++;
	return 0;
}

static int
run_count(struct connection *c, struct backup_packs *b, const struct recipe_run *run, struct err *e)
{
	SCOPED(free_at) struct chunk *rows = mem_array(NULL, ROWS_AT_ONCE, sizeof(*rows));
	ssize_t last = -1;

	for (uint64_t done = 0; done < run->count;) {
		const uint64_t left = run->count - done;
		const size_t count = left < ROWS_AT_ONCE ? (size_t)left : (size_t)ROWS_AT_ONCE;
		if (chunks_range(c, run->first + done, count, rows, e) != 0)
			return -1;
		for (size_t i = 0; i < count; i++) {
			if (chunk_count(c, b, &rows[i], &last, e) != 0)
				return -1;
		}
		done += count;
	}
	return 0;
}

/* Where the recipe stands, and the record. */
static int
place_load(struct connection *c, struct backup_packs *b, const char *id, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_RECIPE_PLACE, e, "t", id);
	const int found = s == NULL ? -1 : statement_step(c, s, e);

	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no backup %s", id);
	b->recipe_offset = sqlite3_column_int64(s, 1);
	b->created_ns = sqlite3_column_int64(s, 2);
	b->record = rows_object(s, 3, e);
	const ssize_t at = pack_place(c, b, sqlite3_column_int64(s, 0), e);
	if (b->record == NULL || at < 0)
		return -1;
	b->recipe_at = (size_t)at;
	return 0;
}

int
backup_packs_find(struct store *s, const char *id, const struct recipe *recipe,
	struct backup_packs *ret_packs, struct err *e)
{
	*ret_packs = (struct backup_packs){0};
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);

	if (c == NULL)
		return -1;
	for (size_t i = 0; i < recipe->count; i++) {
		if (run_count(c, ret_packs, &recipe->runs[i], e) != 0)
			return -1;
	}
	return place_load(c, ret_packs, id, e);
}

void
backup_packs_free(struct backup_packs *b)
{
	free(b->packs);
	pins_free(&b->chunks);
	json_decref(b->record);
	*b = (struct backup_packs){0};
}

struct reading {
	const struct backup_packs *b;
	const struct backup_pack *pack;
	struct connection *connection;
	pack_verify_record *each;
	void *ctx;
	uint64_t good, moved; /* of the chunks that the backup needs */
	unsigned char recipe[RECORD_ID_SIZE];
	uint64_t parts, parts_good; /* of the recipe */
};

/* A needed chunk is where its row says, or its row says another place by now. */
static int
needed_see(struct reading *r, const struct record *record, int64_t offset, struct err *e)
{
	struct chunk row;

	if (chunks_range(r->connection, record->number, 1, &row, e) != 0)
		return -1;
	if (row.pack != r->pack->row)
		r->moved++;
	else if (row.offset == offset && memcmp(row.id, record->id, sizeof(row.id)) == 0)
		r->good++;
	return 0;
}

static void
recipe_see(struct reading *r, const struct record *record, int64_t offset)
{
	if (offset == r->b->recipe_offset) {
		memcpy(r->recipe, record->id, sizeof(r->recipe));
		r->parts = record->number >> 32;
	}
	if (r->parts > 0 && memcmp(r->recipe, record->id, sizeof(r->recipe)) == 0)
		r->parts_good++;
}

static int
record_see(void *ctx, const struct record *record, int64_t offset, struct err *e)
{
	struct reading *r = ctx;

	if (record->type == RECORD_CHUNK && pins_has(&r->b->chunks, record->number) &&
		needed_see(r, record, offset, e) != 0)
		return -1;
	if (record->type == RECORD_RECIPE && r->pack == &r->b->packs[r->b->recipe_at])
		recipe_see(r, record, offset);
	return r->each(r->ctx, record, offset, e);
}

int
backup_packs_read(struct store *s, const struct backup_packs *b, size_t at, int fd,
	pack_verify_record *each, void *ctx, unsigned char hash[PACK_HASH], struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	const struct backup_pack *pack = &b->packs[at];
	struct reading r = {.b = b, .pack = pack, .connection = c, .each = each, .ctx = ctx};

	if (c == NULL || pack_verify(s, pack->uuid, fd, pack->bytes, record_see, &r, hash, e) != 0)
		return -1;
	const bool recipe_whole = at != b->recipe_at || (r.parts > 0 && r.parts_good >= r.parts);
	if (r.good >= pack->chunks && recipe_whole)
		return 0;
	if (r.moved > 0)
		return err_set(e, ERR_CHANGED, "a sweep moved what it holds");
	return err_set(e, ERR_CORRUPT,
		"%llu of %llu chunks that the backup needs are good%s: start a scrub, then back up "
		"again",
		(unsigned long long)r.good, (unsigned long long)pack->chunks,
		recipe_whole ? "" : ", its list of chunks is not");
}
