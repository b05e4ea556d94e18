/*
 * Goal: a process that dies at any call of the store leaves a store that opens, lists no half
 * backup and has every backup whose commit had returned, bit for bit; and so does one that dies
 * while it mends that.
 */
#include "tests/unit/store/sample.h"

#include "tests/unit/store/faults.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "store/catalogue/state.h"
#include "store/packs/pack_readers.h"

enum { OLD_LEN = 400000, NEW_LEN = 900000, SEGMENT_LEN = 50000, CALLS_MAX = 400 };

/* Shared with the process that dies. */
struct told {
	char id[ID_SIZE];
	bool committed;
};

struct crash {
	char *base; /* a closed store with one backup */
	char *folder;
	unsigned char *old, *new;
	char old_id[ID_SIZE];
	struct told *told;
	enum fault kind;
};

static void
folder_copy(const char *from, const char *to)
{
	SCOPED(free_at) char *command = mem_format("cp -a %s/. %s", from, to);

	assert_int_equal(system(command), 0);
}

static int
set_up(void **context)
{
	struct crash *c = mem_new(sizeof(*c));
	struct store *s = NULL;
	struct err e;

	c->base = folder_make();
	c->old = bytes_noise(OLD_LEN, 41);
	c->new = bytes_noise(NEW_LEN, 42);
	memcpy(c->new, c->old, 200000);
	c->told = mmap(
		NULL, sizeof(*c->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(c->told != MAP_FAILED);
	must(store_open(c->base, &sample_options, &s, &e));
	must(backup_put(s, c->old, OLD_LEN, c->old_id, &e));
	store_close(s);
	*context = c;
	return 0;
}

static int
tear_down(void **context)
{
	struct crash *c = *context;

	(void)munmap(c->told, sizeof(*c->told));
	folder_drop(c->base);
	free(c->old);
	free(c->new);
	free(c);
	return 0;
}

static const unsigned char *
key_of(size_t at)
{
	static unsigned char key[KEY_SIZE];

	memset(key, 3, sizeof(key));
	memcpy(key, &at, sizeof(at));
	return key;
}

/* The new data as segments of 50000 bytes, each kept as soon as it is put. */
static int
segments_put(struct store *s, const unsigned char *data, char id[ID_SIZE], struct err *e)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe all = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe one = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();

	id_new(id);
	if (backups_begin(s, id, clock_real_ns(), record, e) != 0 || ingest_open(s, &in, e) != 0)
		return -1;
	for (size_t at = 0; at < NEW_LEN; at += SEGMENT_LEN) {
		recipe_clear(&one);
		if (stream_put(in, CUT_WHOLE, data + at, SEGMENT_LEN, SEGMENT_LEN, &one, e) != 0)
			return -1;
		ingest_keep_segment(in, key_of(at), &one);
		recipe_add_all(&all, &one);
	}
	return ingest_commit(in, id, "{}", &all, e);
}

/* A process that makes a backup and dies at its call ${n}: true if it got that far. */
static bool
backup_dies(struct crash *c, long n)
{
	struct store_options options = sample_options;
	struct faults faults;
	struct store *s = NULL;
	struct err e;
	int status;

	*c->told = (struct told){0};
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		faults_init(&faults, c->kind, 0);
		faults.at = n;
		options.io = &faults.io;
		if (store_open(c->folder, &options, &s, &e) != 0 ||
			segments_put(s, c->new, c->told->id, &e) != 0)
			_exit(1);
		c->told->committed = true;
		store_close(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULT_DIED);
	return WEXITSTATUS(status) == FAULT_DIED;
}

/* A process that opens the store and dies at its call ${n}, or closes it. */
static void
opening_dies(struct crash *c, long n)
{
	struct store_options options = sample_options;
	struct faults faults;
	struct store *s = NULL;
	struct err e;
	int status;

	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		faults_init(&faults, c->kind, 0);
		faults.at = n;
		options.io = &faults.io;
		const int result = store_open(c->folder, &options, &s, &e);
		_exit(result != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
}

/* Every row of a chunk leads to its record: none points behind what is there. */
static uint64_t
rows_check(struct store *s)
{
	SCOPED(free_at) unsigned char *record = mem_new(PACK_READERS_RECORD_MAX);
	SCOPED(pack_readers_close) struct pack_readers files;
	uint64_t count = 0;
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
		must(pack_readers_read(&files, &row, record, &e));
		count++;
	}
	return count;
}

/* A segment that is found has its bytes' chunks. */
static void
segments_check(struct crash *c, struct store *s)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	struct err e;

	must(ingest_open(s, &in, &e));
	for (size_t at = 0; at < NEW_LEN; at += SEGMENT_LEN) {
		SCOPED(recipe_free) struct recipe found = RECIPE_INIT;
		SCOPED(recipe_free) struct recipe put = RECIPE_INIT;
		const int result = ingest_find_segment(in, key_of(at), &found, &e);
		must(result);
		if (result == 0)
			continue;
		must(stream_put(in, CUT_WHOLE, c->new + at, SEGMENT_LEN, SEGMENT_LEN, &put, &e));
		assert_int_equal(found.count, 1);
		assert_memory_equal(found.runs, put.runs, sizeof(*put.runs));
	}
	must(ingest_checkpoint(in, &e));
	assert_int_equal(ingest_stored_bytes(in), 0);
}

static void
list_check(struct crash *c, struct store *s)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	bool more = true;
	size_t at;
	json_t *record;
	struct err e;

	must(backups_list(s, 100, NULL, &list, &more, &e));
	assert_false(more);
	json_array_foreach (list, at, record) {
		const char *id = json_string_value(json_object_get(record, "id"));
		assert_string_equal(
			json_string_value(json_object_get(record, "state")), "complete");
		assert_null(json_object_get(record, "damaged"));
		if (strcmp(id, c->old_id) == 0)
			must(backup_compare(s, id, c->old, OLD_LEN, &e));
		else
			must(backup_compare(s, id, c->new, NEW_LEN, &e));
	}
	assert_in_range(json_array_size(list), c->told->committed ? 2 : 1, 2);
	must(backup_compare(s, c->old_id, c->old, OLD_LEN, &e));
	if (c->told->committed)
		must(backup_compare(s, c->told->id, c->new, NEW_LEN, &e));
}

/* What is left opens and holds; and it can be gone on with. */
static void
remains_check(struct crash *c)
{
	SCOPED(store_close_at) struct store *s = NULL;
	struct store_stats stats;
	char id[ID_SIZE];
	struct err e;

	must(store_open(c->folder, &sample_options, &s, &e));
	list_check(c, s);
	must(store_stats(s, &stats, &e));
	assert_int_equal(rows_check(s), stats.chunks);
	segments_check(c, s);
	must(backup_put(s, c->new, NEW_LEN, id, &e));
	must(backup_compare(s, id, c->new, NEW_LEN, &e));
	must(store_stats(s, &stats, &e));
	assert_int_equal(rows_check(s), stats.chunks);
}

static void
every_call(struct crash *c, enum fault kind)
{
	bool died = true;
	long n = 0;

	c->kind = kind;
	while (died) {
		n++;
		c->folder = folder_make();
		folder_copy(c->base, c->folder);
		died = backup_dies(c, n);
		opening_dies(c, 1 + n % 40); /* an opening after a crash has about so many calls */
		remains_check(c);
		folder_drop(c->folder);
	}
	assert_in_range(n, 30, CALLS_MAX);
}

static void
test_dies_before_each_call(void **context)
{
	every_call(*context, FAULT_DIE);
}

static void
test_dies_behind_each_call(void **context)
{
	every_call(*context, FAULT_DIE_AFTER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dies_before_each_call),
		cmocka_unit_test(test_dies_behind_each_call),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
