/*
 * Goal: damage is found by a scrub wherever it is, marks the backups that need it and no others,
 * and the next backup of the same bytes makes the old ones whole again: also by a rebuild's
 * judgement.
 */
#include "tests/unit/store/whole.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "store/catalogue/damage.h"
#include "store/gc/scrub.h"
#include "store/gc/sweep.h"
#include "store/open/rebuild.h"
#include "store/read/salvage.h"

enum { LEN = 3 << 20, OTHER_LEN = 200000, MARK = 32 };

struct state {
	char *folder;
	struct store *store;
	unsigned char *data, *other;
	char id[ID_SIZE], other_id[ID_SIZE];
	off_t damaged_at; /* in its pack: what was damaged last */
};

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	t->data = bytes_noise(LEN, 91);
	t->other = bytes_noise(OTHER_LEN, 92);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	must(backup_put(t->store, t->data, LEN, t->id, &e));
	must(backup_put(t->store, t->other, OTHER_LEN, t->other_id, &e));
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
	free(t->other);
	free(t);
	return 0;
}

static void
reopen(struct state *t)
{
	struct err e;

	store_close(t->store);
	must(store_open(t->folder, &sample_options, &t->store, &e));
}

/* Flip a bit of the byte at ${offset} of a pack. */
static void
flip(const char *path, off_t offset)
{
	SCOPED(fd_close_at) int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

/* Where these bytes stand, in the file of the chunk ${row}; false if they do not. */
static bool
place_of(struct pack_readers *files, const struct chunk *row, const unsigned char *bytes,
	char name[PACK_NAME_SIZE], off_t *ret_offset)
{
	SCOPED(free_at) unsigned char *record = mem_new(PACK_READERS_RECORD_MAX);
	struct err ignored;

	if (pack_readers_read(files, row, record, &ignored) != 0)
		return false;
	const unsigned char *at = memmem(record + RECORD_SIZE, row->stored_len, bytes, MARK);
	if (at == NULL)
		return false;
	struct record r;
	assert_int_equal(record_decode(record, &r, &ignored), 0);
	(void)packs_name(r.pack, name);
	*ret_offset = (off_t)row->offset + (at - record);
	return true;
}

/* Flip a bit of these bytes, which do not compress, in the pack that has them; its path.  The bytes
 * of an encrypted chunk stand where they would stand in a plain one. */
static char *
damage(struct state *t, const unsigned char *bytes)
{
	SCOPED(pack_readers_close) struct pack_readers files;
	char name[PACK_NAME_SIZE];
	struct err e;

	pack_readers_init(&files, t->store);
	for (uint64_t number = 1; number < t->store->next_number; number++) {
		SCOPED(catalogue_release_at)
		struct connection *c = catalogue_reader(t->store->catalogue, &e);
		struct chunk row;
		if (chunks_range(c, number, 1, &row, &e) != 0 ||
			!place_of(&files, &row, bytes, name, &t->damaged_at))
			continue;
		char *path = mem_format("%s/packs/%s", t->folder, name);
		flip(path, t->damaged_at);
		return path;
	}
	fail_msg("no chunk has them");
	return NULL;
}

static struct scrub_totals
scrub(struct state *t)
{
	struct scrub_totals totals;
	struct err e;

	must(scrub_run(t->store, &(struct scrub_options){.bytes_per_second = -1}, &totals, &e));
	return totals;
}

static int64_t
scrub_damaged(struct state *t)
{
	const struct scrub_totals totals = scrub(t);

	free(totals.numbers);
	return totals.chunks_damaged;
}

static bool
is_damaged(struct state *t, const char *id)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	struct err e;

	must(backups_get(t->store, id, &record, &e));
	return json_is_true(json_object_get(record, "damaged"));
}

static void
test_a_sound_store(void **context)
{
	struct state *t = *context;
	struct store_stats stats;
	struct err e;

	const struct scrub_totals totals = scrub(t);
	must(store_stats(t->store, &stats, &e));
	assert_int_equal(totals.chunks, stats.chunks);
	assert_int_equal(totals.bytes, stats.stored_bytes + stats.chunks * 96);
	assert_int_equal(totals.chunks_damaged + totals.chunks_mended + totals.chunks_unread, 0);
	assert_null(totals.numbers);
}

static void
test_damage_is_found_and_named(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));
	SCOPED(json_decref_at) json_t *ids = NULL;
	int64_t total = 0;
	struct err e;

	assert_false(is_damaged(t, t->id));
	const struct scrub_totals totals = scrub(t);
	assert_int_equal(totals.chunks_damaged, 1);
	assert_true(is_damaged(t, t->id));
	assert_false(is_damaged(t, t->other_id));
	must(damage_backups(t->store, totals.numbers, 1, 10, &ids, &total, &e));
	assert_int_equal(total, 1);
	assert_string_equal(json_string_value(json_array_get(ids, 0)), t->id);
	free(totals.numbers);
	must_fail(backup_compare(t->store, t->id, t->data, LEN, &e), ERR_CORRUPT);
	assert_int_equal(scrub_damaged(t), 1); /* and again */
	must(backup_compare(t->store, t->other_id, t->other, OTHER_LEN, &e));
}

/* All is read but the hole, in whose place other bytes stand. */
static void
test_salvage(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));
	SCOPED(salvage_close_at) struct salvage *v = NULL;
	SCOPED(free_at) unsigned char *got = mem_new(LEN);
	size_t at = 0, count = 0;
	ssize_t n = 1;
	struct err e;

	must(salvage_open(t->store, t->id, &v, &e));
	const struct source source = salvage_source(v);
	for (; n > 0; at += (size_t)n)
		must(n = source_read(&source, got + at, LEN - at, &e));
	assert_int_equal(at, LEN);
	const struct salvage_hole *hole = salvage_holes(v, &count);
	assert_int_equal(count, 1);
	assert_in_range(1 << 20, hole->from, hole->to - 1);
	assert_memory_equal(got, t->data, (size_t)hole->from);
	assert_memory_equal(got + hole->to, t->data + hole->to, (size_t)(LEN - hole->to));
	for (int64_t i = hole->from; i < hole->to; i++)
		assert_int_equal(got[i], 0xFF);
	assert_true(is_damaged(t, t->id));
}

static void
healed(struct state *t)
{
	struct err e;

	assert_false(is_damaged(t, t->id));
	must(backup_compare(t->store, t->id, t->data, LEN, &e));
	must(backup_compare(t->store, t->other_id, t->other, OTHER_LEN, &e));
	assert_int_equal(scrub_damaged(t), 0);
}

static void
heal(struct state *t, char id[ID_SIZE])
{
	struct store_stats before, after;
	struct err e;

	must(store_stats(t->store, &before, &e));
	must(backup_put(t->store, t->data, LEN, id, &e));
	must(store_stats(t->store, &after, &e));
	assert_int_equal(after.chunks, before.chunks); /* no new number */
	assert_int_equal(after.stored_bytes, before.stored_bytes);
	must(backup_compare(t->store, id, t->data, LEN, &e));
	healed(t);
}

static void
test_the_next_backup_heals(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *first = damage(t, t->data + (1 << 20));
	SCOPED(free_at) char *second = damage(t, t->data + (2 << 20));
	struct rebuild_totals totals;
	struct sweep_totals swept;
	char id[ID_SIZE];
	struct err e;

	assert_int_equal(scrub_damaged(t), 2);
	heal(t, id);
	reopen(t);
	healed(t);
	/* a rebuild takes the good record of that number */
	store_close(t->store);
	must(rebuild_run(t->folder, &sample_options, &totals, &e));
	must(store_open(t->folder, &sample_options, &t->store, &e));
	assert_int_equal(totals.backups_damaged, 0);
	healed(t);
	/* and a sweep, with one of the two deleted, leaves the other whole */
	must(backups_delete(t->store, id, &e));
	must(sweep_run(t->store, &(struct sweep_options){.bytes_per_second = -1}, &swept, &e));
	assert_int_equal(swept.chunks_damaged, 0);
	healed(t);
}

/* A pack that is gone: its chunks are stored again under their numbers. */
static void
test_a_lost_pack_is_healed(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));
	SCOPED(free_at) char *aside = mem_format("%s/run/aside", t->folder);
	char id[ID_SIZE];

	reopen(t);
	assert_int_equal(rename(path, aside), 0);
	reopen(t);
	assert_true(is_damaged(t, t->id));
	heal(t, id);
	/* the file with its damaged chunk comes back: nothing of it is believed again */
	assert_int_equal(rename(aside, path), 0);
	reopen(t);
	healed(t);
}

/* What was marked and is whole after all is taken back. */
static void
test_mended(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));

	assert_int_equal(scrub_damaged(t), 1);
	flip(path, t->damaged_at); /* back */
	const struct scrub_totals totals = scrub(t);
	assert_int_equal(totals.chunks_mended, 1);
	assert_int_equal(totals.chunks_damaged, 0);
	healed(t);
}

/* Who is cut off while healing leaves the chunk bad, and the next start or backup heals it. */
static void
test_a_session_that_fails_to_commit(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct ingest *in = NULL;
	char id[ID_SIZE];
	struct err e;

	assert_int_equal(scrub_damaged(t), 1);
	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, t->data, LEN, 100000, &recipe, &e));
	ingest_close(in); /* without a backup: what is stored is kept */
	healed(t);
	heal(t, id);
}

/* Killed when the good record is in its pack, and its row not yet changed: the next start does it.
 */
static void
test_killed_while_healing(void **context)
{
	struct state *t = *context;
	SCOPED(free_at) char *path = damage(t, t->data + (1 << 20));
	SCOPED(free_at) unsigned char *more = bytes_noise(6 << 20, 93);
	struct recipe recipe = RECIPE_INIT;
	struct ingest *in = NULL;
	struct err e;
	int status;

	assert_int_equal(scrub_damaged(t), 1);
	store_close(t->store);
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct store_options options = {.reserve_bytes = -1, .secret = SAMPLE_SECRET};
		struct store *s = NULL;
		_exit(store_open(t->folder, &options, &s, &e) != 0 ||
			ingest_open(s, &in, &e) != 0 ||
			stream_put(in, CUT_CONTENT, t->data, LEN, 100000, &recipe, &e) != 0 ||
			stream_put(in, CUT_CONTENT, more, 6 << 20, 100000, &recipe, &e) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	must(store_open(t->folder, &sample_options, &t->store, &e));
	healed(t);
}

static void
test_slices(void **context)
{
	struct state *t = *context;
	const struct scrub_options options = {.bytes_per_second = -1, .slice_bytes = 500000};
	struct scrub_totals totals;
	struct store_stats stats;
	int64_t chunks = 0;
	struct err e;

	must(store_stats(t->store, &stats, &e));
	SCOPED(free_at) char *path = damage(t, t->other + 100000); /* near the end */
	for (int slice = 0; slice < 20 && chunks < stats.chunks; slice++) {
		must(scrub_run(t->store, &options, &totals, &e));
		assert_true(totals.bytes < 500000 + (2 << 20));
		assert_true(totals.chunks > 0);
		chunks += totals.chunks;
		assert_int_equal(is_damaged(t, t->other_id), totals.chunks_damaged);
		free(totals.numbers);
		reopen(t);
	}
	assert_int_equal(chunks, stats.chunks);
	must(scrub_run(t->store, &options, &totals, &e)); /* to the end: nothing is left */
	must(scrub_run(t->store, &options, &totals, &e)); /* from the start */
	assert_true(totals.chunks > 0);
	free(totals.numbers);
}

static bool
at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static void
test_stopped(void **context)
{
	struct state *t = *context;
	struct scrub_totals totals;
	struct err e;

	must_fail(scrub_run(t->store, &(struct scrub_options){.stop = at_once}, &totals, &e),
		ERR_CANCELLED);
	assert_int_equal(totals.chunks, 0);
}

int
main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_a_sound_store),
		CASE(test_damage_is_found_and_named),
		CASE(test_salvage),
		CASE(test_the_next_backup_heals),
		CASE(test_a_lost_pack_is_healed),
		CASE(test_mended),
		CASE(test_a_session_that_fails_to_commit),
		CASE(test_killed_while_healing),
		CASE(test_slices),
		CASE(test_stopped),
	};

	return cmocka_run_group_tests_name("heal", tests, NULL, NULL);
}
