/*
 * Goal: one bit flipped anywhere in a pack, or in any page of the catalogue: what is read is what
 * was stored, or an error; never other bytes, never a crash.  In a pack the scrub finds each flip
 * that hurts a chunk, and a rebuild each that hurts a recipe.
 */
#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "store/gc/scrub.h"
#include "store/gc/sweep.h"
#include "store/open/rebuild.h"

enum { CHUNKS = 4, LEN = 300, PACK_MAX = 1 << 16, STRIDE = 61 /* of a page's bytes; a prime */ };

/* Bits of a compressed frame that a decoder has no use for: their flip changes nothing that is
 * read. */
enum { SPARE = 8 };

static const struct store_options small = {.pack_bytes = 32 << 10, .reserve_bytes = -1};

struct state {
	char *folder, *pack, *catalogue, *kept; /* kept: the sound catalogue's copy */
	unsigned char *data;
	char id[ID_SIZE];
	off_t pack_len;
};

/* One backup of a few chunks, each shorter than a page. */
static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	struct ingest *in = NULL;
	struct store *s = NULL;
	struct stat st;
	struct err e;

	t->folder = folder_make();
	t->data = bytes_noise(CHUNKS * LEN, 7);
	for (size_t i = 0; i < CHUNKS / 2 * LEN; i++) /* half of them compress */
		t->data[i] = (unsigned char)("etaoin shrdlu"[t->data[i] % 13]);
	id_new(t->id);
	must(store_open(t->folder, &small, &s, &e));
	must(ingest_open(s, &in, &e));
	for (size_t i = 0; i < CHUNKS; i++)
		must(stream_put(in, CUT_WHOLE, t->data + i * LEN, LEN, LEN, &recipe, &e));
	must(backups_begin(s, t->id, clock_real_ns(), record, &e));
	must(ingest_commit(in, t->id, "{\"note\":\"done\"}", &recipe, &e));
	ingest_close(in);
	store_close(s);
	t->pack = pack_path(t->folder, true);
	t->catalogue = mem_format("%s/catalogue.db", t->folder);
	t->kept = mem_format("%s/kept", t->folder);
	assert_int_equal(stat(t->pack, &st), 0);
	t->pack_len = st.st_size;
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	folder_drop(t->folder);
	free(t->pack);
	free(t->catalogue);
	free(t->kept);
	free(t->data);
	free(t);
	return 0;
}

static void
flip(const char *path, off_t at, int bit)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte = (unsigned char)(byte ^ 1U << bit);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static int64_t
scrub_damaged(struct store *s)
{
	struct scrub_totals totals;
	struct err e;

	must(scrub_run(s, &(struct scrub_options){.bytes_per_second = -1}, &totals, &e));
	free(totals.numbers);
	return totals.chunks_damaged;
}

/* Where the chunks end and the recipe begins: the last record of the pack. */
static off_t
recipe_offset(struct state *t)
{
	SCOPED(fd_close_at) int fd = open(t->pack, O_RDONLY | O_CLOEXEC);
	SCOPED(free_at) unsigned char *bytes = mem_new(PACK_MAX);
	const ssize_t len = pread(fd, bytes, PACK_MAX, 0);
	off_t last = 0;

	for (ssize_t i = 0; i + 96 <= len; i++)
		if (memcmp(bytes + i, "\x5B\x2A\x4D\x18", 4) == 0)
			last = i;
	assert_true(last > CHUNKS * LEN);
	return last;
}

/* Every byte in turn (another bit each time); the pack's first record is read by a rebuild only. */
static void
test_every_byte_of_a_pack(void **context)
{
	struct state *t = *context;
	const off_t recipe = recipe_offset(t);
	struct store *s = NULL;
	int64_t equal = 0;
	struct err e;

	must(store_open(t->folder, &small, &s, &e));
	for (off_t at = 96; at < t->pack_len; at++) {
		flip(t->pack, at, (int)(at % 8));
		const int same = backup_compare(s, t->id, t->data, CHUNKS * LEN, &e);
		assert_true(same == 0 || e.code == ERR_CORRUPT);
		/* found by both or by none: then the bytes are those that were stored */
		assert_int_equal(scrub_damaged(s), same == 0 ? 0 : 1);
		equal += at < recipe && same == 0;
		assert_true(at < recipe || same == 0); /* the catalogue has its recipe */
		flip(t->pack, at, (int)(at % 8));
	}
	assert_int_equal(scrub_damaged(s), 0);
	must(backup_compare(s, t->id, t->data, CHUNKS * LEN, &e));
	store_close(s);
	print_message("%lld bytes of chunks; %lld flips decompress to the same\n",
		(long long)(recipe - 96), (long long)equal);
	assert_true(equal <= SPARE);
}

/* The same, and a catalogue made from it: it says that something is damaged; but for the pack's
 * first record, which holds nothing that is needed (a pack's id is its name, too). */
static void
test_every_byte_and_rebuild(void **context)
{
	struct state *t = *context;
	struct rebuild_totals totals;
	int64_t equal = 0; /* nothing is said to be damaged, and nothing is */
	struct err e;

	for (off_t at = 0; at < t->pack_len; at++) {
		struct store *s = NULL;
		flip(t->pack, at, (int)(at % 8));
		if (rebuild_run(t->folder, &small, &totals, &e) == 0) {
			must(store_open(t->folder, &small, &s, &e));
			if (backup_compare(s, t->id, t->data, CHUNKS * LEN, &e) != 0)
				assert_true(e.code == ERR_CORRUPT || e.code == ERR_NOT_FOUND);
			else
				equal += at >= 96 && totals.records_damaged == 0;
			store_close(s);
		}
		flip(t->pack, at, (int)(at % 8));
	}
	print_message("%lld flips change nothing\n", (long long)equal);
	assert_true(equal <= SPARE);
	must(rebuild_run(t->folder, &small, &totals, &e));
	assert_int_equal(totals.backups - totals.backups_damaged, 1);
	assert_int_equal(totals.records_damaged, 0);
}

static void
copy(const char *from, const char *to)
{
	SCOPED(free_at) unsigned char *bytes = mem_new(1 << 20);
	SCOPED(fd_close_at) int in = open(from, O_RDONLY | O_CLOEXEC);
	SCOPED(fd_close_at) int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const ssize_t len = read(in, bytes, 1 << 20);

	assert_true(len > 0 && len < 1 << 20);
	assert_int_equal(write(out, bytes, (size_t)len), len);
}

/* Whatever stands in the catalogue: an error, or what was stored. */
static int
catalogue_try(struct state *t)
{
	struct sweep_totals swept;
	struct store *s = NULL;
	json_t *list = NULL;
	bool more;
	struct err e;

	if (store_open(t->folder, &small, &s, &e) != 0)
		return 1;
	int hurt = backup_compare(s, t->id, t->data, CHUNKS * LEN, &e) != 0;
	if (hurt && (strstr(e.text, "other bytes") != NULL || strstr(e.text, "bytes instead")))
		fail_msg("%s", e.text); /* not what was stored was handed out */
	hurt |= backups_list(s, 100, NULL, &list, &more, &e) != 0;
	json_decref(list);
	hurt |= sweep_run(s, &(struct sweep_options){.bytes_per_second = -1}, &swept, &e) != 0;
	store_close(s);
	return hurt;
}

/* The rows that a reader trusts, changed as no checksum of SQLite's would see it. */
static void
test_a_recipe_row(void **context)
{
	struct state *t = *context;
	static const char *const changes[] = {
		"UPDATE recipes SET recipe = x'0202'", /* two chunks of the four: valid, and wrong
							*/
		"UPDATE recipes SET plain = plain + 1", "UPDATE recipes SET plain = plain - 1"};

	copy(t->catalogue, t->kept);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		sqlite3 *db = NULL;
		struct store *s = NULL;
		struct err e;
		copy(t->kept, t->catalogue);
		assert_int_equal(sqlite3_open(t->catalogue, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
		must(store_open(t->folder, &small, &s, &e));
		must_fail(backup_compare(s, t->id, t->data, CHUNKS * LEN, &e), ERR_CORRUPT);
		store_close(s);
	}
}

/* A download whose length is wrong ends with an error, not with a seek table at a wrong place. */
static void
test_a_wrong_length(void **context)
{
	struct state *t = *context;

	for (int change = -1; change <= 1; change++) {
		SCOPED(free_at)
		char *sql = mem_format("UPDATE recipes SET stored = stored + %d", change);
		SCOPED(free_at) unsigned char *bytes = mem_new(PACK_MAX);
		sqlite3 *db = NULL;
		struct store *s = NULL;
		struct replay *r = NULL;
		struct err e;
		copy(t->catalogue, t->kept);
		assert_int_equal(sqlite3_open(t->catalogue, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_close(db), SQLITE_OK);
		must(store_open(t->folder, &small, &s, &e));
		must(replay_open(s, t->id, &r, &e));
		if (change == 0)
			assert_true(replay_archive(r, 0, bytes, PACK_MAX, &e) > 0);
		else
			must_fail((int)replay_archive(r, 0, bytes, PACK_MAX, &e), ERR_CORRUPT);
		replay_close(r);
		store_close(s);
		copy(t->kept, t->catalogue);
	}
}

static void
test_every_page_of_the_catalogue(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *pack_kept = mem_format("%s/kept-pack", t->folder);
	const off_t step = getenv("FB_LONG") != NULL ? 1 : STRIDE;
	int64_t tried = 0, hurt = 0;
	struct stat st;

	copy(t->catalogue, t->kept);
	copy(t->pack, pack_kept);
	assert_int_equal(stat(t->kept, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 100 ? 1 : step, tried++) {
		copy(t->kept, t->catalogue);
		copy(pack_kept, t->pack); /* as a sweep of a wrong catalogue may have removed it */
		flip(t->catalogue, at, (int)(at % 8));
		hurt += catalogue_try(t);
	}
	print_message("%lld bytes of a catalogue of %lld, %lld noticed\n", (long long)tried,
		(long long)st.st_size, (long long)hurt);
	assert_true(hurt > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_byte_of_a_pack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_byte_and_rebuild, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_recipe_row, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_wrong_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_every_page_of_the_catalogue, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
