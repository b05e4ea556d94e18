#include "store/catalogue/chunks.h"

#include <endian.h>
#include <string.h>

#include "base/scope.h"

int64_t
chunks_prefix(const unsigned char id[RECORD_ID_SIZE])
{
	uint64_t prefix;

	memcpy(&prefix, id, sizeof(prefix));
	return (int64_t)be64toh(prefix);
}

int
chunks_find(struct connection *c, const unsigned char id[RECORD_ID_SIZE], size_t plain_len,
	uint64_t *ret_number, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_BY_ID, e, "ibi", chunks_prefix(id), id,
		(size_t)RECORD_ID_SIZE, (int64_t)plain_len);

	if (s == NULL)
		return -1;
	const int found = statement_step(c, s, e);
	if (found == 1)
		*ret_number = (uint64_t)sqlite3_column_int64(s, 0);
	return found;
}

static void
row_read(sqlite3_stmt *s, struct chunk *row)
{
	*row = (struct chunk){
		.number = (uint64_t)sqlite3_column_int64(s, 0),
		.pack = sqlite3_column_int64(s, 1),
		.offset = sqlite3_column_int64(s, 2),
		.ordinal = (uint32_t)sqlite3_column_int64(s, 3),
		.plain_len = (uint32_t)sqlite3_column_int64(s, 4),
		.stored_len = (uint32_t)sqlite3_column_int64(s, 5),
		.bad = sqlite3_column_int64(s, 6) != 0,
	};
	const void *id = sqlite3_column_blob(s, 7);
	if (id != NULL && sqlite3_column_bytes(s, 7) == RECORD_ID_SIZE)
		memcpy(row->id, id, RECORD_ID_SIZE);
}

int
chunks_find_bad(struct connection *c, const unsigned char id[RECORD_ID_SIZE], size_t plain_len,
	struct chunk *ret_row, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_BAD_BY_ID, e, "ibi", chunks_prefix(id), id,
		(size_t)RECORD_ID_SIZE, (int64_t)plain_len);
	const int found = s == NULL ? -1 : statement_step(c, s, e);

	if (found == 1)
		row_read(s, ret_row);
	return found;
}

int
chunks_heal(struct connection *w, const struct chunk *chunk, struct err *e)
{
	return statement_run(w, SQL_CHUNK_HEAL, e, "iiiibii", (int64_t)chunk->number, chunk->pack,
		chunk->offset, (int64_t)chunk->ordinal, chunk->id, (size_t)RECORD_ID_SIZE,
		(int64_t)chunk->plain_len, (int64_t)chunk->stored_len);
}

/* The rows of ${s}, which may be NULL: it could not be bound. */
static int
rows_read(
	struct connection *c, sqlite3_stmt *s, struct chunk *rows, size_t *ret_count, struct err *e)
{
	size_t count = 0;
	int more = s == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, s, e)) > 0)
		row_read(s, &rows[count++]);
	*ret_count = count;
	return more;
}

int
chunks_from(struct connection *c, uint64_t from, struct chunk *rows, size_t max, size_t *ret_count,
	struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_FROM, e, "ii", (int64_t)from, (int64_t)max);

	return rows_read(c, s, rows, ret_count, e);
}

int
chunks_range(struct connection *c, uint64_t first, size_t count, struct chunk *rows, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(
		c, SQL_CHUNK_RANGE, e, "ii", (int64_t)first, (int64_t)(first + count));

	if (s == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const int more = statement_step(c, s, e);
		if (more < 0)
			return -1;
		if (more == 1)
			row_read(s, &rows[i]);
		if (more == 0 || rows[i].number != first + i)
			return err_set(e, ERR_CORRUPT, "the chunk %llu has no row in the catalogue",
				(unsigned long long)(first + i));
	}
	return 0;
}

int
chunks_of_pack(struct connection *c, const struct recipe_run *run, int64_t pack, struct chunk *rows,
	size_t max, size_t *ret_count, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_OF_PACK, e, "iiii", (int64_t)run->first,
		(int64_t)(run->first + run->count), pack, (int64_t)max);

	return rows_read(c, s, rows, ret_count, e);
}

int
chunks_scan(struct connection *c, uint64_t from, struct chunk *rows, size_t max, size_t *ret_count,
	struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_SCAN, e, "ii", (int64_t)from, (int64_t)max);
	size_t count = 0;
	int more = s == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, s, e)) > 0)
		rows[count++] = (struct chunk){
			.number = (uint64_t)sqlite3_column_int64(s, 0),
			.pack = sqlite3_column_int64(s, 1),
			.stored_len = (uint32_t)sqlite3_column_int64(s, 2),
			.bad = sqlite3_column_int64(s, 3) != 0,
		};
	*ret_count = count;
	return more;
}

int
chunks_good(struct connection *c, uint64_t first, uint64_t count, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(
		c, SQL_CHUNK_GOOD, e, "ii", (int64_t)first, (int64_t)(first + count));

	if (s == NULL || statement_step(c, s, e) < 0)
		return -1;
	return (uint64_t)sqlite3_column_int64(s, 0) == count;
}

int
chunks_add(struct connection *w, const struct chunk *chunk, struct err *e)
{
	return statement_run(w, SQL_CHUNK_ADD, e, "iiiiiib", (int64_t)chunk->number, chunk->pack,
		       chunk->offset, (int64_t)chunk->ordinal, (int64_t)chunk->plain_len,
		       (int64_t)chunk->stored_len, chunk->id, (size_t)RECORD_ID_SIZE) < 0
		       ? -1
		       : 0;
}

int
chunks_add_index(struct connection *w, const struct chunk *chunk, struct err *e)
{
	return statement_run(w, SQL_CHUNK_INDEX, e, "ii", chunks_prefix(chunk->id),
		       (int64_t)chunk->number) < 0
		       ? -1
		       : 0;
}

int
chunks_drop(struct connection *w, const struct chunk *chunk, struct err *e)
{
	const int dropped =
		statement_run(w, SQL_CHUNK_DROP, e, "ii", (int64_t)chunk->number, chunk->pack);

	if (dropped < 0)
		return -1;
	if (dropped == 0)
		return err_set(e, ERR_INTERNAL, "the chunk %llu stands in another pack",
			(unsigned long long)chunk->number);
	return 0;
}
