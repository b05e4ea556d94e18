#ifndef UNIT_STORE_WHOLE_H
#define UNIT_STORE_WHOLE_H

#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "store/catalogue/state.h"
#include "store/keys/header_search.h"
#include "store/packs/codec.h"
#include "store/packs/pack_readers.h"
#include "store/packs/packs.h"
#include "store/packs/payload.h"

/* Whether what the catalogue says of the packs is so. */

SAMPLE int64_t
whole_number(struct store *s, const char *sql)
{
	sqlite3_stmt *q = NULL;
	struct err e;
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, &e);

	assert_non_null(c);
	assert_int_equal(sqlite3_prepare_v2(c->db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	const int64_t number = sqlite3_column_int64(q, 0);
	assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
	return number;
}

/* Every good chunk's row leads to its record, whose bytes are right. */
SAMPLE void
whole_chunks(struct store *s)
{
	SCOPED(free_at) unsigned char *record = mem_new(PACK_READERS_RECORD_MAX);
	SCOPED(codec_free_at) struct codec *codec = codec_new(s->cipher);
	SCOPED(pack_readers_close) struct pack_readers files;
	unsigned char id[RECORD_ID_SIZE];
	int64_t count = 0;
	struct err e;

	pack_readers_init(&files, s);
	for (uint64_t number = 1; number < s->next_number; number++) {
		struct connection *c = catalogue_reader(s->catalogue, &e);
		struct chunk row;
		assert_non_null(c);
		const int found = chunks_range(c, number, 1, &row, &e);
		catalogue_release_at(&c);
		if (found != 0)
			continue;
		count++;
		if (row.bad)
			continue;
		must(pack_readers_read(&files, &row, record, &e));
		const void *plain = codec_expand(
			codec, record + RECORD_SIZE, row.stored_len, row.plain_len, &e);
		assert_non_null(plain);
		codec_id(codec, plain, row.plain_len, id);
		assert_memory_equal(id, row.id, sizeof(id));
	}
	assert_int_equal(count, whole_number(s, "SELECT chunks FROM counts"));
	assert_int_equal(
		count, whole_number(s, "SELECT count(*) FROM ids JOIN chunks USING(number)"));
}

/* Decrypt a record of any ordinal. */
SAMPLE void
whole_open(struct store *s, const unsigned char *uuid, unsigned char *bytes)
{
	SCOPED(free_at) unsigned char *copy = mem_new(PACK_READERS_RECORD_MAX);
	struct seal *seal = seal_new(s->cipher, uuid);
	struct record record;
	uint32_t ordinal = 0;
	struct err e;

	if (seal == NULL)
		return;
	SCOPED(header_search_free_at) struct header_search *b = header_search_new(seal, 0, 10000);
	assert_true(header_search_find(b, bytes, &ordinal));
	memcpy(copy, bytes, PACK_READERS_RECORD_MAX);
	unsigned char tag[CIPHER_TAG];
	must(seal_read_header(seal, ordinal, copy, tag, &e));
	must(record_decode(copy, &record, &e));
	must(seal_read(seal, ordinal, bytes, RECORD_SIZE + (size_t)record.stored_len, &e));
	seal_free(seal);
}

/* A recipe's record holds what the catalogue holds. */
SAMPLE void
whole_recipe(struct store *s, struct codec *codec, int64_t pack, int64_t offset, const char *id)
{
	SCOPED(free_at)
	char *sql = mem_format(
		"SELECT hex(uuid) FROM packs WHERE id = %lld AND state < 3", (long long)pack);
	SCOPED(free_at) unsigned char *bytes = mem_new(PACK_READERS_RECORD_MAX);
	unsigned char uuid[RECORD_UUID_SIZE];
	struct payload payload;
	struct record record;
	sqlite3_stmt *q = NULL;
	struct err e;
	int fd = -1;

	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, &e);
	assert_int_equal(sqlite3_prepare_v2(c->db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	SCOPED(free_at) char *name = mem_format("%s.zpk", (const char *)sqlite3_column_text(q, 0));
	(void)sqlite3_finalize(q);
	for (char *at = name; *at != '\0'; at++)
		*at = (char)(*at >= 'A' && *at <= 'F' ? *at - 'A' + 'a' : *at);
	assert_true(packs_uuid(name, uuid));
	must(packs_open(s, uuid, O_RDONLY, &fd, &e));
	assert_true(pread(fd, bytes, PACK_READERS_RECORD_MAX, offset) > RECORD_SIZE);
	(void)close(fd);
	whole_open(s, uuid, bytes);
	must(record_decode(bytes, &record, &e));
	assert_int_equal(record.type, RECORD_RECIPE);
	assert_true(record.number == (uint64_t)1 << 32); /* the samples' are short */
	const void *plain =
		codec_expand(codec, bytes + RECORD_SIZE, record.stored_len, record.plain_len, &e);
	assert_non_null(plain);
	must(payload_decode(plain, record.plain_len, &payload, &e));
	assert_int_equal(payload.id_len, strlen(id));
	assert_memory_equal(payload.id, id, payload.id_len);
}

SAMPLE void
whole_recipes(struct store *s)
{
	SCOPED(codec_free_at) struct codec *codec = codec_new(s->cipher);
	struct err e;
	sqlite3_stmt *q = NULL;
	SCOPED(catalogue_release_at) struct connection *c = catalogue_reader(s->catalogue, &e);

	assert_int_equal(
		sqlite3_prepare_v2(c->db, "SELECT pack, offset, backup FROM recipes", -1, &q, NULL),
		SQLITE_OK);
	while (sqlite3_step(q) == SQLITE_ROW)
		whole_recipe(s, codec, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1),
			(const char *)sqlite3_column_text(q, 2));
	assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
}

SAMPLE void
whole_check(struct store *s)
{
	whole_chunks(s);
	whole_recipes(s);
	assert_int_equal(
		0, whole_number(s, "SELECT count(*) FROM chunks LEFT JOIN packs"
				   " ON packs.id = pack WHERE state IS NULL OR state = 3"));
	assert_int_equal(0, whole_number(s, "SELECT count(*) FROM recipes LEFT JOIN backups"
					    " ON id = backup WHERE state IS NOT 'complete'"));
}

/* Files of packs. */
SAMPLE size_t
whole_files(const char *folder)
{
	SCOPED(free_at) char *pattern = mem_format("%s/packs/*/*.zpk", folder);
	glob_t found = {0};

	const int result = glob(pattern, 0, NULL, &found);
	assert_true(result == 0 || result == GLOB_NOMATCH);
	const size_t count = result == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

#endif
