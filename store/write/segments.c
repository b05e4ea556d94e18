#include "store/write/segments.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scope.h"
#include "store/keys/column_cipher.h"
#include "store/read/row_window.h"

/* A kept recipe is a block of its own, and its array has up to twice the room that it needs. */
enum { BLOCK_BYTES = 32 };

static size_t
kept_size(size_t element, size_t len)
{
	return 2 * element + BLOCK_BYTES + len;
}

static void
segments_recipe_free_at(struct recipe *r)
{
	recipe_free(r);
}

/* Whether all chunks of ${r} are there and good; numbers not yet given out are not.  Of a hint the
 * latter alone is asked. */
static int
chunks_there(
	struct ingest *in, const struct recipe *r, int64_t generation, bool hint, struct err *e)
{
	uint64_t next_number;

	{
		LOCKED(&in->store->mutex);
		next_number = in->store->next_number;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (r->runs[i].first + r->runs[i].count > next_number)
			return 0;
	}
	if (hint || generation == atomic_load(&in->store->generation))
		return 1;
	int good = 1;
	for (size_t i = 0; i < r->count && good == 1; i++)
		good = chunks_good(in->reader, r->runs[i].first, r->runs[i].count, e);
	return good;
}

/* Decode, check and pin what a row holds: 1, 0 if it is stale, -1. */
static int
row_take(struct ingest *in, sqlite3_stmt *s, bool hint, struct recipe *to, struct err *e)
{
	SCOPED(segments_recipe_free_at) struct recipe found = RECIPE_INIT;

	if (recipe_decode(
		    sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &found, e) != 0)
		return -1;
	const int good = chunks_there(in, &found, sqlite3_column_int64(s, 0), hint, e);
	if (good != 1)
		return good;
	for (size_t i = 0; i < found.count; i++)
		pins_add(&in->pins, found.runs[i].first, found.runs[i].count);
	recipe_add_all(to, &found);
	return 1;
}

/* Recipes kept by this very session: their chunks are pinned already. */
static int
own_take(const void *encoded, size_t len, struct recipe *to, struct err *e)
{
	SCOPED(segments_recipe_free_at) struct recipe found = RECIPE_INIT;

	if (recipe_decode(encoded, len, &found, e) != 0)
		return -1;
	recipe_add_all(to, &found);
	return 1;
}

int
segments_find(struct ingest *in, const unsigned char key[KEY_SIZE], bool hint, struct recipe *to,
	struct err *e)
{
	const size_t own = keymap_find(&in->segment_keys, key, in->segments, sizeof(*in->segments));

	if (own != KEYMAP_NONE)
		return own_take(in->segments[own].recipe, in->segments[own].len, to, e);
	unsigned char veiled[KEY_SIZE];
	const unsigned char *stored = column_cipher_key(in->store->cipher, key, veiled);
	(void)pthread_rwlock_rdlock(&in->store->lookup);
	sqlite3_stmt *s =
		statement_bind(in->reader, SQL_SEGMENT_GET, e, "b", stored, (size_t)KEY_SIZE);
	int found = s == NULL ? -1 : statement_step(in->reader, s, e);
	if (found == 1)
		found = row_take(in, s, hint, to, e);
	(void)pthread_rwlock_unlock(&in->store->lookup);
	statement_done_at(&s);
	return found;
}

int
segments_same(struct ingest *in, const struct recipe *a, const struct recipe *b, struct err *e)
{
	SCOPED(row_window_free) struct row_window x = {0};
	SCOPED(row_window_free) struct row_window y = {0};

	row_window_init(&x, in->store->catalogue, a);
	row_window_init(&y, in->store->catalogue, b);
	for (uint64_t i = 0; i < x.chunks; i++) {
		const struct chunk *of_a = row_window_row(&x, i, e);
		const struct chunk *of_b = of_a == NULL ? NULL : row_window_row(&y, i, e);

		if (of_b == NULL)
			return -1;
		if (memcmp(of_a->id, of_b->id, sizeof(of_a->id)) != 0)
			return 0;
	}
	return 1;
}

void
segments_keep(struct ingest *in, const unsigned char key[KEY_SIZE], const struct recipe *recipe)
{
	if (in->segments_count == in->segments_room) {
		in->segments_room = in->segments_room == 0 ? 256 : in->segments_room * 2;
		in->segments = mem_array(in->segments, in->segments_room, sizeof(*in->segments));
	}
	struct kept_segment *kept = &in->segments[in->segments_count];
	memcpy(kept->key, key, KEY_SIZE);
	kept->recipe = recipe_encode(recipe, &kept->len);
	keymap_add(&in->segment_keys, in->segments_count, in->segments, sizeof(*in->segments));
	in->segments_count++;
	in->kept_bytes += kept_size(sizeof(*kept), kept->len);
}

int
segments_find_stream(
	struct ingest *in, const char *name, struct recipe *to, int64_t *ret_bytes, struct err *e)
{
	for (size_t i = in->streams_count; i-- > 0;) {
		const struct kept_stream *own = &in->streams[i];
		if (strcmp(own->name, name) != 0)
			continue;
		*ret_bytes = own->bytes;
		return own_take(own->recipe, own->len, to, e);
	}
	char veiled[COLUMN_CIPHER_NAME_SIZE];
	const char *stored = column_cipher_name(in->store->cipher, name, veiled);
	(void)pthread_rwlock_rdlock(&in->store->lookup);
	sqlite3_stmt *s = statement_bind(in->reader, SQL_STREAM_GET, e, "t", stored);
	int found = s == NULL ? -1 : statement_step(in->reader, s, e);
	if (found == 1)
		found = row_take(in, s, false, to, e);
	if (found == 1)
		*ret_bytes = sqlite3_column_int64(s, 2);
	(void)pthread_rwlock_unlock(&in->store->lookup);
	statement_done_at(&s);
	return found;
}

void
segments_keep_stream(
	struct ingest *in, const char *name, const struct recipe *recipe, int64_t bytes)
{
	if (in->streams_count == in->streams_room) {
		in->streams_room = in->streams_room == 0 ? 16 : in->streams_room * 2;
		in->streams = mem_array(in->streams, in->streams_room, sizeof(*in->streams));
	}
	struct kept_stream *kept = &in->streams[in->streams_count++];
	kept->name = mem_string(name);
	kept->recipe = recipe_encode(recipe, &kept->len);
	kept->bytes = bytes;
	in->kept_bytes += kept_size(sizeof(*kept), kept->len);
}

int
segments_write(struct ingest *in, struct connection *w, struct err *e)
{
	const struct cipher *cipher = in->store->cipher;
	unsigned char key[KEY_SIZE];
	char name[COLUMN_CIPHER_NAME_SIZE];

	for (size_t i = 0; i < in->segments_count; i++) {
		const struct kept_segment *kept = &in->segments[i];
		if (statement_run(w, SQL_SEGMENT_PUT, e, "bib",
			    column_cipher_key(cipher, kept->key, key), (size_t)KEY_SIZE,
			    in->generation, kept->recipe, kept->len) < 0)
			return -1;
	}
	for (size_t i = 0; i < in->streams_count; i++) {
		const struct kept_stream *kept = &in->streams[i];
		if (statement_run(w, SQL_STREAM_PUT, e, "tibi",
			    column_cipher_name(cipher, kept->name, name), in->generation,
			    kept->recipe, kept->len, kept->bytes) < 0)
			return -1;
	}
	return 0;
}

void
segments_clear(struct ingest *in)
{
	for (size_t i = 0; i < in->segments_count; i++)
		free(in->segments[i].recipe);
	for (size_t i = 0; i < in->streams_count; i++) {
		free(in->streams[i].name);
		free(in->streams[i].recipe);
	}
	keymap_clear(&in->segment_keys);
	in->segments_count = 0;
	in->streams_count = 0;
	in->kept_bytes = 0;
}
