#include "store/write/cache_prune.h"

#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/catalogue/chunks.h"

/* Rows read, or removed in one transaction, at once. */
enum { ROWS = 4096, KEYS = 512 };

/* The chunks that there were.  Numbers from ${end} on are newer: of them nothing is said. */
struct cache_prune_present {
	struct pins pins;
	uint64_t end;
};

/* Of the index by id. */
struct entry {
	int64_t prefix, number;
};

/* A cache, and the keys of its rows that shall go. */
struct cache {
	enum statement scan, get, drop;
	char kind; /* of the key, as statement_bind has it */
	void *keys[KEYS];
	size_t lens[KEYS];
	size_t count;
};

static void
cache_prune_recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

static void
present_free_at(struct cache_prune_present *p)
{
	pins_free(&p->pins);
}

static void
keys_free_at(struct cache *c)
{
	while (c->count > 0)
		free(c->keys[--c->count]);
}

static int
present_read(struct store *s, struct cache_prune_present *p, struct err *e)
{
	SCOPED(free_at) struct chunk *rows = mem_array(NULL, ROWS, sizeof(*rows));
	size_t count = 0;

	{
		LOCKED(&s->mutex);
		p->end = s->next_number;
	}
	for (uint64_t from = 0;; from = rows[count - 1].number + 1) {
		SCOPED(catalogue_release_at)
		struct connection *c = catalogue_reader(s->catalogue, e);
		if (c == NULL || chunks_scan(c, from, rows, ROWS, &count, e) != 0)
			return -1;
		if (count == 0)
			return 0;
		for (size_t i = 0; i < count; i++)
			pins_add(&p->pins, rows[i].number, 1);
	}
}

/* A damaged row is no use either. */
static bool
cache_prune_is_stale(const struct cache_prune_present *p, const void *data, size_t len)
{
	SCOPED(cache_prune_recipe_free_at) struct recipe r = RECIPE_INIT;
	struct err ignored;

	if (recipe_decode(data, len, &r, &ignored) != 0)
		return true;
	for (size_t i = 0; i < r.count; i++) {
		const uint64_t last = r.runs[i].first + r.runs[i].count;
		for (uint64_t n = r.runs[i].first; n < last && n < p->end; n++) {
			if (!pins_has(&p->pins, n))
				return true;
		}
	}
	return false;
}

static sqlite3_stmt *
key_bind(struct connection *c, const struct cache *cache, enum statement which, const void *key,
	size_t len, struct err *e)
{
	const bool two = which == cache->scan;

	if (cache->kind == 'b')
		return two ? statement_bind(c, which, e, "bi", key, len, (int64_t)KEYS)
			   : statement_bind(c, which, e, "b", key, len);
	return two ? statement_bind(c, which, e, "ti", (const char *)key, (int64_t)KEYS)
		   : statement_bind(c, which, e, "t", (const char *)key);
}

/* The next rows behind *key, which moves on: how many, -1 on error. */
static int
rows_judge(struct store *s, struct cache *cache, const struct cache_prune_present *p, char **key,
	size_t *key_len, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(free_at) char *from = TAKE(*key);
	SCOPED(statement_done_at)
	sqlite3_stmt *q = key_bind(c, cache, cache->scan, from, *key_len, e);
	int count = 0;
	int more = q == NULL ? -1 : 1;

	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		const void *found = cache->kind == 'b' ? sqlite3_column_blob(q, 0)
						       : (const void *)sqlite3_column_text(q, 0);
		free(*key);
		*key_len = (size_t)sqlite3_column_bytes(q, 0);
		*key = mem_copy(*key_len == 0 ? "" : found, *key_len);
		if (cache_prune_is_stale(
			    p, sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1))) {
			cache->lens[cache->count] = *key_len;
			cache->keys[cache->count++] = mem_copy(*key, *key_len);
		}
		count++;
	}
	return more < 0 ? -1 : count;
}

/* A session may have kept the key anew, or stored those chunks after the index was read. */
static int
row_drop(struct connection *w, const struct cache *cache, size_t i, struct err *e)
{
	SCOPED(cache_prune_recipe_free_at) struct recipe r = RECIPE_INIT;
	struct err ignored;
	int good = 1;
	{
		SCOPED(statement_done_at)
		sqlite3_stmt *q = key_bind(w, cache, cache->get, cache->keys[i], cache->lens[i], e);
		const int found = q == NULL ? -1 : statement_step(w, q, e);
		if (found <= 0)
			return found;
		if (recipe_decode(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1), &r,
			    &ignored) != 0)
			good = 0;
	}
	for (size_t n = 0; n < r.count && good == 1; n++)
		good = chunks_good(w, r.runs[n].first, r.runs[n].count, e);
	if (good != 0)
		return good < 0 ? -1 : 0;
	SCOPED(statement_done_at)
	sqlite3_stmt *q = key_bind(w, cache, cache->drop, cache->keys[i], cache->lens[i], e);
	return q == NULL ? -1 : statement_step(w, q, e);
}

static int
cache_prune_rows_drop(struct store *s, struct cache *cache, struct err *e)
{
	if (cache->count == 0)
		return 0;
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	for (size_t i = 0; i < cache->count; i++) {
		if (row_drop(w, cache, i, e) != 0)
			return -1;
	}
	keys_free_at(cache);
	return catalogue_commit(TAKE(w), e);
}

static int
cache_clean(struct store *s, const struct rate_limit *pace, const struct cache_prune_present *p,
	struct cache *cache, struct err *e)
{
	SCOPED(free_at) char *key = mem_string("");
	size_t key_len = 0;
	int count = KEYS;

	while (count == KEYS) {
		if (rate_limit_check(pace, e) != 0)
			return -1;
		count = rows_judge(s, cache, p, &key, &key_len, e);
		if (count < 0 || cache_prune_rows_drop(s, cache, e) != 0)
			return -1;
	}
	return 0;
}

static int
entries_drop(struct store *s, const struct entry *entries, size_t count, struct err *e)
{
	SCOPED(catalogue_rollback_at) struct connection *w = catalogue_begin(s->catalogue, e);

	if (w == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (statement_run(
			    w, SQL_INDEX_DROP, e, "ii", entries[i].prefix, entries[i].number) < 0)
			return -1;
	}
	return catalogue_commit(TAKE(w), e);
}

/* The next entries behind *last, of which those that lead nowhere are kept: how many were read. */
static int
entries_judge(struct store *s, const struct cache_prune_present *p, struct entry *last,
	struct entry *entries, size_t *ret_count, struct err *e)
{
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, e);
	if (c == NULL)
		return -1;
	SCOPED(statement_done_at)
	sqlite3_stmt *q = statement_bind(
		c, SQL_INDEX_SCAN, e, "iii", last->prefix, last->number, (int64_t)ROWS);
	int more = q == NULL ? -1 : 1;
	int read = 0;

	*ret_count = 0;
	while (more > 0 && (more = statement_step(c, q, e)) > 0) {
		*last = (struct entry){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)};
		const uint64_t number = (uint64_t)last->number;
		if (number < p->end && !pins_has(&p->pins, number))
			entries[(*ret_count)++] = *last;
		read++;
	}
	return more < 0 ? -1 : read;
}

/* In the order of the index, so that each page of it is written once. */
static int
index_clean(struct store *s, const struct rate_limit *pace, const struct cache_prune_present *p,
	struct err *e)
{
	SCOPED(free_at) struct entry *entries = mem_array(NULL, ROWS, sizeof(*entries));
	struct entry last = {INT64_MIN, 0};
	int read = ROWS;

	while (read == ROWS) {
		size_t count = 0;
		if (rate_limit_check(pace, e) != 0)
			return -1;
		read = entries_judge(s, p, &last, entries, &count, e);
		if (read < 0 || (count > 0 && entries_drop(s, entries, count, e) != 0))
			return -1;
	}
	return 0;
}

int
cache_prune(struct store *s, const struct rate_limit *pace, struct err *e)
{
	SCOPED(present_free_at) struct cache_prune_present present = {0};
	SCOPED(keys_free_at)
	struct cache segments = {SQL_SEGMENT_SCAN, SQL_SEGMENT_GET, SQL_SEGMENT_DROP, .kind = 'b'};
	SCOPED(keys_free_at)
	struct cache streams = {SQL_STREAM_SCAN, SQL_STREAM_GET, SQL_STREAM_DROP, .kind = 't'};

	if (present_read(s, &present, e) != 0 || cache_clean(s, pace, &present, &segments, e) != 0)
		return -1;
	if (cache_clean(s, pace, &present, &streams, e) != 0)
		return -1;
	return index_clean(s, pace, &present, e);
}
