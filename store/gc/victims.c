#include "store/gc/victims.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"

/* Rows of the index read at once: 380 KB. */
enum { BATCH = 4096 };

/*
 * A tombstone: its header and a frame of a backup's id.  What a backup's record has besides id,
 * record and recipe.  Rather too much: what seems needed is not moved in vain.
 */
enum { TOMBSTONE_BYTES = RECORD_SIZE + 64, BACKUP_BYTES = RECORD_SIZE + 64 };

static void
chosen_clear(struct victims *v)
{
	for (size_t i = 0; i < v->packs_count; i++) {
		if (v->packs[i].numbers == NULL)
			continue;
		recipe_free(v->packs[i].numbers);
		free(v->packs[i].numbers);
	}
	v->packs_count = v->count = 0;
}

void
victims_free(struct victims *v)
{
	chosen_clear(v);
	free(v->packs);
	free(v->skipped);
	*v = (struct victims){0};
}

void
victims_skip(struct victims *v, int64_t pack)
{
	v->skipped = mem_array(v->skipped, v->skipped_count + 1, sizeof(*v->skipped));
	v->skipped[v->skipped_count++] = pack;
}

static bool
is_skipped(const struct victims *v, int64_t pack)
{
	for (size_t i = 0; i < v->skipped_count; i++) {
		if (v->skipped[i] == pack)
			return true;
	}
	return false;
}

/* Columns of SQL_PACK_BY_ROW. */
static int
packs_load(struct victims *v, struct connection *c, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_PACK_BY_ROW, e, "");
	size_t room = 0;
	int more = q == NULL ? -1 : 1;

	free(v->packs);
	v->packs = NULL;
	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		if (sqlite3_column_int64(q, 2) != PACK_SEALED ||
			sqlite3_column_bytes(q, 1) != RECORD_UUID_SIZE)
			continue;
		if (v->packs_count == room) {
			room = room == 0 ? 64 : room * 2;
			v->packs = mem_array(v->packs, room, sizeof(*v->packs));
		}
		struct victim *p = &v->packs[v->packs_count++];
		*p = (struct victim){
			.pack = sqlite3_column_int64(q, 0), .bytes = sqlite3_column_int64(q, 3)};
		memcpy(p->uuid, sqlite3_column_blob(q, 1), RECORD_UUID_SIZE);
		p->blocked = is_skipped(v, p->pack);
	}
	return more;
}

static int
by_pack(const void *a, const void *b)
{
	const int64_t x = ((const struct victim *)a)->pack;
	const int64_t y = ((const struct victim *)b)->pack;

	return (x > y) - (x < y);
}

/* The pack of that row among the first ${count}, which are in order of their rows; or NULL. */
static struct victim *
pack_of(const struct victims *v, size_t count, int64_t pack)
{
	const struct victim key = {.pack = pack};

	return count == 0 ? NULL : bsearch(&key, v->packs, count, sizeof(*v->packs), by_pack);
}

static void
row_count(struct victims *v, const struct chunk *row, bool needed)
{
	struct victim *p = pack_of(v, v->packs_count, row->pack);

	if (p == NULL)
		return;
	p->rows++;
	p->known_bytes += (int64_t)RECORD_SIZE + row->stored_len;
	if (!needed)
		return;
	p->needed_bytes += (int64_t)RECORD_SIZE + row->stored_len;
	p->blocked = p->blocked || row->bad;
}

static void
row_collect(struct victims *v, const struct chunk *row)
{
	struct victim *p = pack_of(v, v->count, row->pack);

	if (p != NULL)
		recipe_add(p->numbers, row->number);
}

/* All rows, in short reads, so that the catalogue's log is not held up. */
static int
rows_read(struct victims *v, const struct live_set *m, bool collect, struct err *e)
{
	SCOPED(free_at) struct chunk *rows = mem_array(NULL, BATCH, sizeof(*rows));
	SCOPED(free_at) bool *needed = mem_new(BATCH * sizeof(*needed));
	size_t count = 0;

	for (uint64_t from = 0;; from = rows[count - 1].number + 1) {
		SCOPED(catalogue_release_at)
		struct connection *c = catalogue_reader(m->store->catalogue, e);
		if (c == NULL || chunks_scan(c, from, rows, BATCH, &count, e) != 0)
			return -1;
		if (count == 0)
			return 0;
		if (!collect) {
			(void)pthread_rwlock_wrlock(&m->store->lookup);
			live_set_sort(m, rows, count, needed);
			(void)pthread_rwlock_unlock(&m->store->lookup);
		}
		for (size_t i = 0; i < count; i++) {
			if (collect)
				row_collect(v, &rows[i]);
			else
				row_count(v, &rows[i], needed[i]);
		}
	}
}

/* What else is needed. */
static int
others_count(struct victims *v, struct connection *c, enum statement which, struct err *e)
{
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, which, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		struct victim *p = pack_of(v, v->packs_count, sqlite3_column_int64(q, 0));
		if (p == NULL)
			continue;
		const int64_t bytes = which == SQL_RECIPE_SIZES
					      ? BACKUP_BYTES + sqlite3_column_int64(q, 1)
					      : TOMBSTONE_BYTES;
		p->needed_bytes += bytes;
		p->known_bytes += bytes;
	}
	return more;
}

/* Chosen ones first, then those of which least is needed. */
static int
by_need(const void *a, const void *b)
{
	const struct victim *x = a;
	const struct victim *y = b;

	if (x->blocked != y->blocked)
		return x->blocked ? 1 : -1;
	if (x->needed_bytes != y->needed_bytes)
		return x->needed_bytes < y->needed_bytes ? -1 : 1;
	return by_pack(a, b);
}

/*
 * What is gained by moving the rest is part of this.  Padding is not: a small pack of an encrypted
 * store would be moved for it again and again.
 */
static int64_t
bytes_of(const struct victim *p, bool padded)
{
	const int64_t bytes = p->bytes - RECORD_SIZE;

	if (!padded)
		return bytes;
	return bytes - PACK_ROUND > p->known_bytes ? bytes - PACK_ROUND : p->known_bytes;
}

static void
victims_choose(struct victims *v, bool padded)
{
	uint64_t rows = 0;

	for (size_t i = 0; i < v->packs_count; i++) {
		struct victim *p = &v->packs[i];
		const int64_t bytes = bytes_of(p, padded);
		if (p->needed_bytes * 2 > bytes && p->needed_bytes > 0)
			p->blocked = true;
	}
	if (v->packs_count > 0)
		qsort(v->packs, v->packs_count, sizeof(*v->packs), by_need);
	while (v->count < v->packs_count && !v->packs[v->count].blocked) {
		struct victim *p = &v->packs[v->count];
		rows += p->rows;
		if (rows > VICTIMS_ROWS && v->count > 0)
			break;
		p->numbers = mem_new(sizeof(*p->numbers));
		v->count++;
	}
	if (v->count > 0)
		qsort(v->packs, v->count, sizeof(*v->packs), by_pack);
}

int
victims_find(struct victims *v, const struct live_set *m, struct err *e)
{
	chosen_clear(v);
	{
		SCOPED(catalogue_release_at)
		struct connection *c = catalogue_reader(m->store->catalogue, e);
		if (c == NULL || packs_load(v, c, e) != 0 ||
			others_count(v, c, SQL_RECIPE_SIZES, e) != 0 ||
			others_count(v, c, SQL_DELETION_SIZES, e) != 0)
			return -1;
	}
	if (rows_read(v, m, false, e) != 0)
		return -1;
	victims_choose(v, m->store->cipher != NULL);
	if (v->count == 0)
		return 0;
	if (rows_read(v, m, true, e) != 0)
		return -1;
	qsort(v->packs, v->count, sizeof(*v->packs), by_need);
	return 0;
}
