#include "store/catalogue/totals.h"

#include <endian.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/scope.h"
#include "base/sha256.h"

struct sum {
	struct totals totals;
	size_t marks_room;
};

static void
sum_free_at(struct sum *s)
{
	totals_free(&s->totals);
}

static void
sum_add(struct sum *s, int64_t plain, int64_t stored)
{
	struct totals *t = &s->totals;

	if (t->chunks % MARK_CHUNKS == 0) {
		if (t->marks_count == s->marks_room) {
			s->marks_room = s->marks_room == 0 ? 16 : s->marks_room * 2;
			t->marks = mem_array(t->marks, s->marks_room, sizeof(*t->marks));
		}
		t->marks[t->marks_count++] = (struct mark){
			htole64((uint64_t)t->plain_bytes), htole64((uint64_t)t->stored_bytes)};
	}
	t->chunks++;
	t->plain_bytes += plain;
	t->stored_bytes += stored;
}

static int
sum_run(struct connection *c, const struct recipe_run *run, struct sum *sum, struct err *e)
{
	SCOPED(statement_done_at)
	sqlite3_stmt *s = statement_bind(c, SQL_CHUNK_RANGE, e, "ii", (int64_t)run->first,
		(int64_t)(run->first + run->count));
	uint64_t expected = run->first;

	if (s == NULL)
		return -1;
	for (; expected < run->first + run->count; expected++) {
		const int more = statement_step(c, s, e);
		if (more < 0)
			return -1;
		if (more == 0 || (uint64_t)sqlite3_column_int64(s, 0) != expected ||
			sqlite3_column_int64(s, 6) != 0)
			return err_set(e, ERR_CORRUPT, "the chunk %llu is gone or damaged",
				(unsigned long long)expected);
		sum_add(sum, sqlite3_column_int64(s, 4), sqlite3_column_int64(s, 5));
	}
	return 0;
}

int
totals_count(
	struct connection *c, const struct recipe *recipe, struct totals *ret_totals, struct err *e)
{
	SCOPED(sum_free_at) struct sum sum = {0};
	size_t len = 0;

	for (size_t i = 0; i < recipe->count; i++) {
		if (sum_run(c, &recipe->runs[i], &sum, e) != 0)
			return -1;
	}
	SCOPED(free_at) void *encoded = recipe_encode(recipe, &len);
	sha256_hex(encoded, len, sum.totals.digest);
	*ret_totals = sum.totals;
	sum.totals.marks = NULL;
	return 0;
}

void
totals_free(struct totals *t)
{
	free(t->marks);
	*t = (struct totals){0};
}
