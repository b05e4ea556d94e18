#include "store/gc/live_set.h"

#include <string.h>

#include "base/scope.h"
#include "base/sha256.h"
#include "store/catalogue/totals.h"
#include "store/write/session.h"

/*
 * Why nothing is missed:
 *
 * 1. From its first step on, a session that is closed leaves its pins here (ingest.c, together with
 *    going off the list).  One that was closed before has committed before, so its recipe is read.
 * 2. A backup that is complete after the recipes were read was made by a session that was open
 *    after that step, which has its chunks pinned.
 * 3. Leases are read after the recipes.  One that was taken before that holds its recipe itself;
 *    one that was taken later is of a backup of which 1 or 2 holds, or which was there all the
 *    time.
 */

static void
live_set_recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

static void
recipe_add_to(struct pins *pins, const struct recipe *r)
{
	for (size_t i = 0; i < r->count; i++)
		pins_add(pins, r->runs[i].first, r->runs[i].count);
}

/* Columns of SQL_RECIPE_LIST.  Numbers that were never given out would cost memory. */
static int
recipe_take(struct live_set *m, sqlite3_stmt *q, uint64_t next_number, struct err *e)
{
	SCOPED(live_set_recipe_free_at) struct recipe r = RECIPE_INIT;
	const char *id = (const char *)sqlite3_column_text(q, 0);
	const void *data = sqlite3_column_blob(q, 1);
	const size_t len = (size_t)sqlite3_column_bytes(q, 1);
	const char *expected = (const char *)sqlite3_column_text(q, 2);
	char digest[SHA256_HEX_SIZE];

	sha256_hex(len == 0 ? "" : data, len, digest);
	if (expected == NULL || strcmp(digest, expected) != 0 ||
		recipe_decode(data, len, &r, e) != 0)
		return err_set(e, ERR_CORRUPT, "the recipe of the backup %s is damaged",
			id == NULL ? "?" : id);
	for (size_t i = 0; i < r.count; i++) {
		if (r.runs[i].first + r.runs[i].count > next_number)
			return err_set(e, ERR_CORRUPT,
				"the backup %s names chunks that were never stored", id);
	}
	LOCKED(&m->store->mutex);
	recipe_add_to(&m->pins, &r);
	return 0;
}

static int
recipes_read(struct live_set *m, struct err *e)
{
	struct store *s = m->store;
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at) sqlite3_stmt *q = statement_bind(c, SQL_RECIPE_LIST, e, "");
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		uint64_t next_number;
		{
			LOCKED(&s->mutex);
			next_number = s->next_number;
		}
		if (recipe_take(m, q, next_number, e) != 0)
			return -1;
	}
	return more;
}

int
live_set_open(struct live_set *m, struct store *s, struct err *e)
{
	*m = (struct live_set){.store = s};
	{
		LOCKED(&s->mutex);
		s->needed = &m->pins;
	}
	if (recipes_read(m, e) != 0) {
		live_set_close(m);
		return -1;
	}
	LOCKED(&s->mutex);
	for (const struct lease *l = s->leases.next; l != &s->leases; l = l->next)
		recipe_add_to(&m->pins, l->recipe);
	return 0;
}

void
live_set_close(struct live_set *m)
{
	if (m->store == NULL)
		return;
	{
		LOCKED(&m->store->mutex);
		m->store->needed = NULL;
	}
	pins_free(&m->pins);
	m->store = NULL;
}

static bool
is_pinned(const struct store *s, uint64_t number)
{
	for (const struct ingest *in = s->sessions; in != NULL; in = in->next) {
		if (pins_has(&in->pins, number))
			return true;
	}
	return false;
}

void
live_set_sort(const struct live_set *m, const struct chunk *rows, size_t count, bool *needed)
{
	LOCKED(&m->store->mutex);
	for (size_t i = 0; i < count; i++)
		needed[i] =
			pins_has(&m->pins, rows[i].number) || is_pinned(m->store, rows[i].number);
}
