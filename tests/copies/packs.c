/*
 * What tests/copies/packs_test.py drives: a store without the service.
 *
 *	copies_packs put STORE KEY|- FILE SETTINGS NAME	back FILE up, and put the backup there
 *	copies_packs list STORE KEY|-			each backup and the SHA-256 of its bytes
 *
 * An answer is one line of JSON; of an error {"error", "text"}.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/scope.h"
#include "jobs/copies/destination.h"
#include "jobs/copies/packs/copy_format.h"
#include "jobs/copies/packs/packs_copy.h"
#include "store/catalogue/backups.h"
#include "store/read/replay.h"
#include "store/write/ingest.h"

enum { PIECE = 1 << 20 };

static int
packs_open_store(const char *path, const char *key, struct store **ret_store, struct err *e)
{
	SCOPED(secret_wipe) struct secret secret = {0};
	struct store_options o = {.pack_bytes = 4 << 20, .reserve_bytes = -1};

	if (strcmp(key, "-") != 0) {
		if (secret_read(key, SECRET_KEYFILE, &secret, e) != 0)
			return -1;
		o.secret = &secret;
	}
	return store_open(path, &o, ret_store, e);
}

static int
back_up(struct store *s, const char *path, char id[ID_SIZE], struct err *e)
{
	SCOPED(file_close_at) FILE *file = fopen(path, "re");
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	SCOPED(free_at) char *piece = mem_new(PIECE);

	if (file == NULL)
		return err_errno(e, "%s", path);
	id_new(id);
	if (backups_begin(s, id, clock_real_ns(), record, e) != 0 || ingest_open(s, &in, e) != 0)
		return -1;
	ingest_begin(in, CUT_CONTENT);
	for (size_t n; (n = fread(piece, 1, PIECE, file)) > 0;) {
		if (ingest_write(in, piece, n, e) != 0)
			return -1;
	}
	if (ingest_end(in, &recipe, e) != 0)
		return -1;
	return ingest_commit(in, id, "{\"note\":\"done\"}", &recipe, e);
}

static int
put(char **argv, json_t **ret_answer, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(transfer_close_at) struct transfer *t = NULL;
	SCOPED(json_decref_at) json_t *settings = json_load_file(argv[3], 0, NULL);
	struct packs_copy_totals totals = {0};
	char id[ID_SIZE];

	if (settings == NULL)
		return err_set(e, ERR_INVALID, "%s", argv[3]);
	if (packs_open_store(argv[0], argv[1], &s, e) != 0 || back_up(s, argv[2], id, e) != 0)
		return -1;
	if (destination_open(settings, NULL, &t, e) != 0)
		return -1;
	const struct packs_copy_options o = {.destination = argv[4],
		.url = json_string_value(json_object_get(settings, "url")),
		.host = "tested",
		.plain = true,
		.transfer = t};
	if (packs_copy_put(s, id, &o, &totals, e) != 0)
		return -1;
	*ret_answer = json_pack("{s:s, s:I, s:I, s:s}", "backup", id, "packs",
		(json_int_t)totals.packs, "bytes", (json_int_t)totals.bytes, "head", totals.head);
	return 0;
}

static int
hash_of(struct store *s, const char *id, json_t *answer, struct err *e)
{
	SCOPED(replay_close_at) struct replay *r = NULL;
	SCOPED(buf_free) struct buf bytes = BUF_INIT((size_t)1 << 30);
	char hash[COPY_HASH_TEXT];

	if (replay_open(s, id, &r, e) != 0)
		return -1;
	const struct source source = replay_plain(r);
	for (;;) {
		void *at = buf_reserve(&bytes, PIECE);
		const ssize_t n = source_read(&source, at, PIECE, e);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		bytes.len += (size_t)n;
	}
	(void)json_object_set_new(answer, id, json_string(copy_hash(bytes.data, bytes.len, hash)));
	return 0;
}

static int
list(char **argv, json_t **ret_answer, struct err *e)
{
	SCOPED(store_close_at) struct store *s = NULL;
	SCOPED(json_decref_at) json_t *all = NULL;
	const json_t *backup;
	bool more;
	size_t i;

	if (packs_open_store(argv[0], argv[1], &s, e) != 0 ||
		backups_list(s, 1000, NULL, &all, &more, e) != 0)
		return -1;
	*ret_answer = json_object();
	json_array_foreach (all, i, backup) {
		if (hash_of(s, json_string_value(json_object_get(backup, "id")), *ret_answer, e) !=
			0)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	SCOPED(json_decref_at) json_t *answer = NULL;
	struct err e = {.code = ERR_INVALID, .text = "usage: see above"};
	int result = -1;

	if (argc == 7 && strcmp(argv[1], "put") == 0)
		result = put(argv + 2, &answer, &e);
	if (argc == 4 && strcmp(argv[1], "list") == 0)
		result = list(argv + 2, &answer, &e);
	if (result != 0) {
		json_decref(answer);
		answer = json_pack("{s:s, s:s}", "error", err_name(e.code), "text", e.text);
	}
	SCOPED(free_at) char *text = json_dumps(answer, JSON_COMPACT);
	(void)puts(text == NULL ? "" : text);
	return result == 0 ? 0 : 1;
}
