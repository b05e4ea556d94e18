/*
 * Goal: an encrypted store opens with its keys alone; what is changed, swapped or brought from
 * elsewhere in its packs is found and never given out; and nothing of what is stored shows.
 */
#define SAMPLE_ENCRYPTED
#include "tests/unit/store/whole.h"

#include <sys/stat.h>

#include "store/catalogue/journal.h"
#include "store/gc/scrub.h"
#include "store/open/rebuild.h"

enum { PAGE = 16 << 10, PAGES = 24, LEN = PAGE * PAGES };

static const struct secret wrong = {
	.kind = SECRET_KEYFILE, .len = 32, .data = "thirty-two others are not enough"};

struct state {
	char *folder;
	struct store *store;
	unsigned char *data;
	char id[ID_SIZE];
};

/* Each page a chunk, all frames as long as each other; packs of a few. */
static void
pages_put(struct state *t)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_pack("{s:s}", "note", "a note to be found");
	struct err e;

	id_new(t->id);
	must(backups_begin(t->store, t->id, clock_real_ns(), record, &e));
	must(ingest_open(t->store, &in, &e));
	for (size_t at = 0; at < LEN; at += PAGE)
		must(stream_put(in, CUT_WHOLE, t->data + at, PAGE, PAGE, &recipe, &e));
	must(ingest_commit(in, t->id, "{\"note\":\"a note to be found\"}", &recipe, &e));
}

static void
open_store(struct state *t)
{
	struct err e;

	must(store_open(t->folder, &sample_options, &t->store, &e));
}

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));

	t->folder = folder_make();
	t->data = bytes_noise(LEN, 7);
	open_store(t);
	pages_put(t);
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	store_close(t->store);
	folder_drop(t->folder);
	free(t->data);
	free(t);
	return 0;
}

static struct chunk
chunk_of(struct state *t, uint64_t number)
{
	struct chunk row;
	struct err e;
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(t->store->catalogue, &e);

	must(chunks_range(c, number, 1, &row, &e));
	return row;
}

/* The open file of the chunk's pack. */
static int
pack_of(struct state *t, const struct chunk *row)
{
	unsigned char uuid[RECORD_UUID_SIZE];
	sqlite3_stmt *q = NULL;
	int fd = -1;
	struct err e;
	SCOPED(catalogue_release_at)
	struct connection *c = catalogue_reader(t->store->catalogue, &e);

	q = statement_bind(c, SQL_PACK_UUID, &e, "i", row->pack);
	assert_int_equal(statement_step(c, q, &e), 1);
	memcpy(uuid, sqlite3_column_blob(q, 0), sizeof(uuid));
	statement_done_at(&q);
	must(packs_open(t->store, uuid, O_RDWR, &fd, &e));
	return fd;
}

static int64_t
scrub_damaged(struct state *t)
{
	struct scrub_totals totals;
	struct err e;

	must(scrub_run(t->store, &(struct scrub_options){.bytes_per_second = -1}, &totals, &e));
	free(totals.numbers);
	return totals.chunks_damaged;
}

static void
refused(struct state *t, const struct secret *secret, enum err_code code, const char *text)
{
	struct store_options options = sample_options;
	struct rebuild_totals totals;
	struct store *s = NULL;
	struct err e;

	options.secret = secret;
	must_fail(store_open(t->folder, &options, &s, &e), code);
	assert_non_null(strstr(e.text, text));
	must_fail(rebuild_run(t->folder, &options, &totals, &e), code);
}

static void
move(struct state *t, const char *from, const char *to)
{
	SCOPED(free_at) char *a = mem_format("%s/%s", t->folder, from);
	SCOPED(free_at) char *b = mem_format("%s/%s", t->folder, to);

	assert_int_equal(rename(a, b), 0);
}

static void
test_wrong_keys(void **context)
{
	struct state *t = *context;
	struct err e;

	store_close(t->store);
	refused(t, &wrong, ERR_DENIED, "opens none of the store's 1 key slots");
	refused(t, NULL, ERR_DENIED, "is encrypted: say by FUEL_BACKUP_KEY_FILE");
	move(t, "keys", "aside");
	refused(t, NULL, ERR_DENIED, "`keys`");
	refused(t, &sample_secret, ERR_DENIED, "has no file `keys`: put a copy of it back");
	move(t, "catalogue.db", "catalogue.aside"); /* nor is it taken for a new one */
	refused(t, NULL, ERR_DENIED, "has no file `keys`");
	refused(t, &sample_secret, ERR_DENIED, "has no file `keys`");
	move(t, "catalogue.aside", "catalogue.db");
	move(t, "aside", "keys");
	open_store(t);
	must(backup_compare(t->store, t->id, t->data, LEN, &e));
}

/* Another store's `keys`, which the same secret opens. */
static void
test_keys_of_another_store(void **context)
{
	struct state *t = *context;
	struct state another = {.folder = folder_make()};
	SCOPED(free_at)
	char *copy = mem_format("cp %s/keys %s/keys", another.folder, t->folder);

	open_store(&another);
	store_close(another.store);
	store_close(t->store);
	move(t, "keys", "aside");
	assert_int_equal(system(copy), 0);
	struct store *s = NULL;
	struct err e;
	must_fail(store_open(t->folder, &sample_options, &s, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, "the file `keys` is another store's"));
	move(t, "catalogue.db", "catalogue.aside");
	refused(t, &sample_secret, ERR_CORRUPT, "other keys");
	move(t, "catalogue.aside", "catalogue.db");
	move(t, "aside", "keys");
	open_store(t);
	folder_drop(another.folder);
}

static void
test_plain_stores_stay_plain(void **context)
{
	struct store_options plain = sample_options;
	struct state t = {.folder = folder_make(), .data = bytes_noise(LEN, 8)};
	const struct state *encrypted = *context;
	SCOPED(free_at) char *keys = mem_format("%s/keys", t.folder);
	SCOPED(free_at) char *copy = mem_format("cp %s/keys %s", encrypted->folder, keys);
	struct err e;

	plain.secret = NULL;
	must(store_open(t.folder, &plain, &t.store, &e));
	pages_put(&t);
	store_close(t.store);
	must_fail(store_open(t.folder, &sample_options, &t.store, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, "is not encrypted, and cannot be any more"));
	assert_int_equal(access(keys, F_OK), -1);
	assert_int_equal(system(copy), 0); /* nor by somebody's `keys` */
	must_fail(store_open(t.folder, &sample_options, &t.store, &e), ERR_DENIED);
	assert_non_null(strstr(e.text, "take it away"));
	move(&t, "catalogue.db", "catalogue.aside");
	refused(&t, &sample_secret, ERR_DENIED, "a pack of an encrypted store is not encrypted");
	move(&t, "catalogue.aside", "catalogue.db");
	assert_int_equal(unlink(keys), 0);
	must(store_open(t.folder, &plain, &t.store, &e));
	must(backup_compare(t.store, t.id, t.data, LEN, &e));
	store_close(t.store);
	folder_drop(t.folder);
	free(t.data);
}

/* One bit at each place of a record: of its header and that one's tag, and of its frame. */
static void
test_bit_flips(void **context)
{
	struct state *t = *context;
	const struct chunk row = chunk_of(t, 3);
	SCOPED(fd_close_at) int fd = pack_of(t, &row);
	struct err e;

	for (off_t i = 0; i < (off_t)(RECORD_SIZE + row.stored_len); i += i < 110 ? 1 : 997) {
		unsigned char byte;
		assert_int_equal(pread(fd, &byte, 1, row.offset + i), 1);
		byte ^= (unsigned char)(1 << i % 8);
		assert_int_equal(pwrite(fd, &byte, 1, row.offset + i), 1);
		must_fail(backup_compare(t->store, t->id, t->data, LEN, &e), ERR_CORRUPT);
		assert_int_equal(scrub_damaged(t), 1);
		byte ^= (unsigned char)(1 << i % 8);
		assert_int_equal(pwrite(fd, &byte, 1, row.offset + i), 1);
		assert_int_equal(scrub_damaged(t), 0);
	}
	must(backup_compare(t->store, t->id, t->data, LEN, &e));
}

/* Two records of one length change places, within a pack and between two; also a copy of one. */
static void
test_records_are_swapped(void **context)
{
	struct state *t = *context;
	const struct chunk first = chunk_of(t, 1);
	const size_t len = RECORD_SIZE + (size_t)first.stored_len;
	SCOPED(fd_close_at) int from = pack_of(t, &first);
	SCOPED(free_at) unsigned char *mine = mem_new(len);
	SCOPED(free_at) unsigned char *its = mem_new(len);
	bool within = false, between = false;

	assert_int_equal(pread(from, mine, len, first.offset), len);
	for (uint64_t number = 2; number <= PAGES; number++) {
		const struct chunk row = chunk_of(t, number);
		SCOPED(fd_close_at) int to = pack_of(t, &row);
		if (row.stored_len != first.stored_len)
			continue;
		*(row.pack == first.pack ? &within : &between) = true;
		assert_int_equal(pread(to, its, len, row.offset), len);
		assert_int_equal(pwrite(to, mine, len, row.offset), len);
		assert_int_equal(scrub_damaged(t), 1);
		assert_int_equal(pwrite(from, its, len, first.offset), len);
		assert_int_equal(scrub_damaged(t), 2);
		assert_int_equal(pwrite(to, its, len, row.offset), len);
		assert_int_equal(pwrite(from, mine, len, first.offset), len);
		assert_int_equal(scrub_damaged(t), 0);
	}
	assert_true(within && between);
}

/* One pack's file under another's name: read by nobody, and a rebuild believes nothing of it. */
static void
test_packs_are_swapped(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *pattern = mem_format("%s/packs/*/*.zpk", t->folder);
	SCOPED(free_at) char *aside = mem_format("%s/run/aside", t->folder);
	struct rebuild_totals totals;
	glob_t found = {0};
	struct err e;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 2);
	store_close(t->store);
	assert_int_equal(rename(found.gl_pathv[0], aside), 0);
	assert_int_equal(rename(found.gl_pathv[1], found.gl_pathv[0]), 0);
	assert_int_equal(rename(aside, found.gl_pathv[1]), 0);
	open_store(t);
	must_fail(backup_compare(t->store, t->id, t->data, LEN, &e), ERR_CORRUPT);
	assert_true(scrub_damaged(t) > 1);
	store_close(t->store);
	const int result = rebuild_run(t->folder, &sample_options, &totals, &e);
	assert_true(result == 0 ? totals.backups == totals.backups_damaged : e.code == ERR_CORRUPT);
	open_store(t);
	assert_int_equal(backup_compare(t->store, t->id, t->data, LEN, &e), -1);
	globfree(&found);
}

/* Behind damage the next header is found by its beacon: a rebuild loses that record only. */
static void
test_a_rebuild_goes_on_behind_damage(void **context)
{
	struct state *t = *context;
	const struct chunk row = chunk_of(t, 2);
	struct rebuild_totals totals;
	struct err e;
	{
		SCOPED(fd_close_at) int fd = pack_of(t, &row);
		assert_int_equal(pwrite(fd, "damage", 6, row.offset + 20), 6);
	}
	store_close(t->store);
	must(rebuild_run(t->folder, &sample_options, &totals, &e));
	assert_int_equal(totals.records_damaged, 1);
	assert_int_equal(totals.chunks, PAGES - 1);
	assert_int_equal(totals.backups, 1);
	assert_int_equal(totals.backups_damaged, 1);
	open_store(t);
	pages_put(t);
	must(backup_compare(t->store, t->id, t->data, LEN, &e));
}

/* Sealed packs are multiples of 64 KiB, and no record shows where it begins. */
static void
test_what_a_pack_shows(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *pattern = mem_format("%s/packs/*/*.zpk", t->folder);
	SCOPED(free_at) unsigned char *bytes = mem_new(1 << 20);
	glob_t found = {0};

	store_close(t->store);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		SCOPED(file_close_at) FILE *file = fopen(found.gl_pathv[i], "re");
		const size_t len = fread(bytes, 1, 1 << 20, file);
		assert_true(len > RECORD_SIZE && len % PACK_ROUND == 0);
		/* neither a header's beginning nor a frame's, but for the pack's own */
		assert_null(memmem(
			bytes + RECORD_SIZE, len - RECORD_SIZE, "\x5B\x2A\x4D\x18\x58\0\0\0", 8));
		assert_null(
			memmem(bytes + RECORD_SIZE, len - RECORD_SIZE, "\x28\xB5\x2F\xFD\x64", 5));
	}
	globfree(&found);
	open_store(t);
}

static int
file_look(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)at;
	if (kind != FTW_F || st->st_size == 0)
		return 0;
	SCOPED(file_close_at) FILE *file = fopen(path, "re");
	SCOPED(free_at) unsigned char *bytes = mem_new((size_t)st->st_size);
	const size_t len = fread(bytes, 1, (size_t)st->st_size, file);
	if (memmem(bytes, len, "to be found", 11) != NULL)
		fail_msg("%s shows it", path);
	return 0;
}

/* Records, names, operations, requests, streams: in the database and its log, live and closed. */
static void
test_texts_are_hidden(void **context)
{
	struct state *t = *context;
	const struct backups_change change = {
		.locked = 1, .named = true, .name = "a name to be found"};
	struct recipe recipe = RECIPE_INIT;
	struct ingest *in = NULL;
	SCOPED(json_decref_at) json_t *record = NULL;
	SCOPED(json_decref_at)
	json_t *document = json_pack("{s:s}", "phase", "a phase to be found");
	SCOPED(json_decref_at) json_t *again = NULL;
	SCOPED(free_at) char *operation = NULL;
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, t->data, LEN, PAGE, &recipe, &e));
	ingest_keep_stream(in, "a stream to be found", &recipe, LEN);
	must(ingest_checkpoint(in, &e));
	recipe_free(&recipe);
	ingest_close(in);
	must(backups_change(t->store, t->id, &change, &e));
	must(journal_put(t->store, t->id, clock_real_ns(), "running", document, &e));
	must(journal_request(t->store, "a key to be found", "aa", clock_real_ns(), &operation, &e));
	must(journal_request_done(t->store, "a key to be found", t->id, &e));
	(void)nftw(t->folder, file_look, 16, FTW_PHYS);
	store_close(t->store);
	(void)nftw(t->folder, file_look, 16, FTW_PHYS);
	open_store(t);
	must(backups_get(t->store, t->id, &record, &e));
	assert_string_equal(
		json_string_value(json_object_get(record, "note")), "a note to be found");
	assert_string_equal(
		json_string_value(json_object_get(record, "name")), "a name to be found");
	must(journal_get(t->store, t->id, &again, &e));
	assert_true(json_equal(document, again));
	assert_int_equal(1, journal_request(t->store, "a key to be found", "aa", clock_real_ns(),
				    &operation, &e));
	assert_string_equal(operation, t->id);
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_wrong_keys),
		CASE(test_keys_of_another_store),
		CASE(test_plain_stores_stay_plain),
		CASE(test_bit_flips),
		CASE(test_records_are_swapped),
		CASE(test_packs_are_swapped),
		CASE(test_a_rebuild_goes_on_behind_damage),
		CASE(test_what_a_pack_shows),
		CASE(test_texts_are_hidden),
	};

	return cmocka_run_group_tests_name("encrypted", tests, NULL, NULL);
}
