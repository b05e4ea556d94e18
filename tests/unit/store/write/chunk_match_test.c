/*
 * Goal: a file that is compared with what an earlier version of it was stored as, becomes what it
 * is, whatever was done to it between; what is the same keeps its chunks, and only the rest is cut,
 * looked up and stored.
 */
#include "tests/unit/store/sample.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "store/catalogue/damage.h"
#include "store/read/row_window.h"

enum { LEN = 6 << 20, MORE = 1 << 20, ROUNDS = 40 };

static const unsigned char key[KEY_SIZE] = "the file's";

struct state {
	char *folder;
	struct store *store;
};

static int
set_up(void **context)
{
	struct state *t = mem_new(sizeof(*t));
	struct err e;

	t->folder = folder_make();
	must(store_open(t->folder, &sample_options, &t->store, &e));
	*context = t;
	return 0;
}

static int
tear_down(void **context)
{
	struct state *t = *context;

	store_close(t->store);
	folder_drop(t->folder);
	free(t);
	return 0;
}

/* A version of a file, and how it is put. */
struct version {
	unsigned char *data;
	size_t len;
	enum cut cut;
	int64_t claimed; /* its size, as who puts it believes; 0: as it is */
	int64_t matched; /* out */
	int64_t stored;	 /* out: bytes */
	size_t watched;	 /* out: bytes, each compared with the data */
	size_t stepped;
	size_t stop_at;	    /* 0: never */
	char id[ID_SIZE];   /* out: of its backup */
	struct chunk third; /* out: a chunk, */
	size_t third_end;   /* and where it ends */
};

static void
watch(void *ctx, const void *data, size_t len)
{
	struct version *v = ctx;

	assert_memory_equal(data, v->data + v->watched, len);
	v->watched += len;
}

static int
step(void *ctx, size_t len, struct err *e)
{
	struct version *v = ctx;

	v->stepped += len;
	return v->stop_at == 0 || v->stepped < v->stop_at ? 0 : err_set(e, ERR_CANCELLED, "stop");
}

static int
put_stream(struct ingest *in, struct version *v, const struct recipe *earlier, struct recipe *to,
	struct err *e)
{
	SCOPED(fd_close_at) int fd = memfd_create("version", MFD_CLOEXEC);
	const struct ingest_match match = {.recipe = earlier,
		.fd = fd,
		.size = v->claimed > 0 ? v->claimed : (int64_t)v->len,
		.step = step,
		.ctx = v};

	assert_int_equal(pwrite(fd, v->data, v->len, 0), v->len);
	v->watched = v->stepped = 0;
	ingest_watch(in, watch, v);
	ingest_begin(in, v->cut);
	v->matched = earlier->count == 0 ? 0 : ingest_match(in, &match, e);
	if (v->matched < 0)
		return -1;
	assert_true(v->matched == 0 || v->matched < match.size);
	assert_int_equal(v->stepped, v->matched);
	for (size_t at = (size_t)v->matched; at < v->len; at += 77777) {
		const size_t n = v->len - at < 77777 ? v->len - at : 77777;
		if (ingest_write(in, v->data + at, n, e) != 0)
			return -1;
	}
	if (ingest_end(in, to, e) != 0)
		return -1;
	ingest_watch(in, NULL, NULL);
	assert_int_equal(v->watched, v->len);
	return 0;
}

/* The recipe's chunk ${n}, and where it ends. */
static struct chunk
row_of(struct state *t, const struct recipe *recipe, uint64_t n, size_t *ret_end)
{
	SCOPED(row_window_free) struct row_window window = {0};
	struct chunk row = {0};
	struct err e;

	row_window_init(&window, t->store->catalogue, recipe);
	*ret_end = 0;
	for (uint64_t i = 0; i <= n; i++) {
		row = *row_window_row(&window, i, &e);
		*ret_end += row.plain_len;
	}
	return row;
}

/* The same bytes compared with what they were stored as: the same once more, and nothing is new. */
static void
read_again(struct ingest *in, const struct version *v, const struct recipe *recipe)
{
	SCOPED(recipe_free) struct recipe again = RECIPE_INIT;
	struct version same = *v;
	struct err e;

	same.claimed = 0;
	must(put_stream(in, &same, recipe, &again, &e));
	assert_int_equal(ingest_same(in, &again, recipe, &e), 1);
	assert_int_equal(ingest_stored_bytes(in), v->stored);
}

/* A backup of the version, compared with what is known of the one before. */
static void
put(struct state *t, struct version *v)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe earlier = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	struct err e;

	id_new(v->id);
	must(backups_begin(t->store, v->id, clock_real_ns(), record, &e));
	must(ingest_open(t->store, &in, &e));
	must(ingest_find_earlier(in, key, &earlier, &e));
	must(put_stream(in, v, &earlier, &recipe, &e));
	assert_int_equal(ingest_plain_bytes(in), v->len);
	ingest_keep_segment(in, key, &recipe);
	must(ingest_commit(in, v->id, "{}", &recipe, &e));
	v->stored = ingest_stored_bytes(in);
	read_again(in, v, &recipe);
	v->third = row_of(t, &recipe, 2, &v->third_end);
	must(backup_compare(t->store, v->id, v->data, v->len, &e));
}

/* Something that people and programs do to files. */
static void
change(struct version *v, uint32_t random)
{
	const size_t at = (random >> 8) % v->len;
	const size_t most = v->len - at < 300000 ? v->len - at : 300000;
	const size_t some = 1 + (random >> 3) % most;
	SCOPED(free_at) unsigned char *noise = bytes_noise(some, random);

	switch (random % 5) {
	case 0: /* overwritten here */
		memcpy(v->data + at, noise, some);
		break;
	case 1: /* longer */
		if (v->len + some <= LEN + MORE) {
			memcpy(v->data + v->len, noise, some);
			v->len += some;
		}
		break;
	case 2: /* shorter */
		if (v->len > LEN / 2)
			v->len -= some < v->len / 4 ? some : v->len / 4;
		break;
	case 3: /* bytes inserted */
		memmove(v->data + at + 100, v->data + at, v->len - at - (most < 100 ? most : 100));
		break;
	default: /* a few, far apart */
		for (int i = 0; i < 5; i++)
			v->data[(at + (size_t)i * 1234567) % v->len] ^= 1;
		break;
	}
}

static void
try_cut(struct state *t, enum cut cut)
{
	struct version v = {.data = bytes_text(LEN + MORE, 5), .len = LEN, .cut = cut};
	uint32_t random = 12345;

	put(t, &v);
	for (int i = 0; i < (sample_short() ? 5 : ROUNDS); i++) {
		random = random * 1664525 + 1013904223;
		change(&v, random >> 4);
		put(t, &v);
	}
	free(v.data);
}

static void
test_whatever_is_done(void **context)
{
	try_cut(*context, CUT_CONTENT);
	try_cut(*context, CUT_PAGES_16);
	try_cut(*context, CUT_PAGES_64);
}

/* Almost all of it is matched, and a page that changed is all that is stored. */
static void
test_little_is_stored(void **context)
{
	struct version v = {.data = bytes_noise(LEN, 6), .len = LEN, .cut = CUT_PAGES_16};

	put(*context, &v);
	put(*context, &v);
	assert_true(v.matched >= LEN - (16 << 10));
	assert_in_range(v.stored, 0, 8 << 10); /* the recipe */
	v.data[LEN / 2] ^= 1;
	v.data[LEN - 1] ^= 1;
	put(*context, &v);
	assert_true(v.matched >= LEN - (16 << 10));
	assert_in_range(v.stored, 32 << 10, 40 << 10);
	free(v.data);
}

static bool
is_damaged(struct state *t, const char *id)
{
	SCOPED(json_decref_at) json_t *record = NULL;
	struct err e;

	must(backups_get(t->store, id, &record, &e));
	return json_is_true(json_object_get(record, "damaged"));
}

/* A chunk that was ended by the one behind it, not by the cutter, is damaged: the next backup of
 * the file heals it. */
static void
test_an_end_that_was_forced(void **context)
{
	struct state *t = *context;
	struct version v = {.data = bytes_noise(LEN, 10), .len = LEN, .cut = CUT_CONTENT};
	char second[ID_SIZE];
	int64_t marked = 0;
	struct err e;

	put(t, &v);
	const size_t end = v.third_end;
	v.data[end - 1] ^= 1; /* the cutter looks at the last 64 bytes */
	put(t, &v);
	assert_int_equal(v.third_end, end);
	memcpy(second, v.id, sizeof(second));
	must(damage_note(t->store, &v.third, &marked, &e));
	assert_int_equal(marked, 1);
	assert_true(is_damaged(t, second));
	put(t, &v);
	assert_int_equal(v.third_end, end);
	assert_false(is_damaged(t, second));
	must(backup_compare(t->store, second, v.data, LEN, &e));
	free(v.data);
}

/* A page that was cut short by the file's end does not shift those that came behind it. */
static void
test_grown_pages(void **context)
{
	struct version v = {
		.data = bytes_noise(LEN, 11), .len = (1 << 20) + 4096, .cut = CUT_PAGES_16};

	put(*context, &v);
	v.len = (2 << 20) + 4096;
	put(*context, &v);
	assert_int_equal(v.matched, 1 << 20);
	v.data[(1 << 20) + 100000] ^= 1;
	put(*context, &v);
	assert_int_equal(v.matched, 2 << 20);
	assert_in_range(v.stored, 16 << 10, 24 << 10);
	free(v.data);
}

/* It became shorter than its size when that was asked for: what is there is put. */
static void
test_became_shorter(void **context)
{
	struct version v = {.data = bytes_noise(LEN, 7), .len = LEN, .cut = CUT_CONTENT};

	put(*context, &v);
	v.len = LEN / 2 + 12345;
	v.claimed = LEN;
	put(*context, &v);
	assert_in_range(v.matched, LEN / 2 - CHUNK_MAX, LEN / 2 + 12345);
	free(v.data);
}

/* Chunks of the same session have no rows before its checkpoint: then nothing is matched. */
static void
test_without_rows(void **context)
{
	struct state *t = *context;
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe earlier = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct version v = {.data = bytes_noise(LEN, 8), .len = LEN, .cut = CUT_CONTENT};
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(put_stream(in, &v, &earlier, &earlier, &e));
	must(put_stream(in, &v, &earlier, &recipe, &e));
	assert_int_equal(v.matched, 0);
	assert_true(recipe_equal(&earlier, &recipe));
	must(ingest_checkpoint(in, &e));
	recipe_clear(&recipe);
	must(put_stream(in, &v, &earlier, &recipe, &e));
	assert_true(v.matched > LEN - CHUNK_MAX);
	assert_true(recipe_equal(&earlier, &recipe));
	free(v.data);
}

/* Who is stopped can drop the stream, and the session goes on. */
static void
test_stopped(void **context)
{
	struct state *t = *context;
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe earlier = RECIPE_INIT;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	struct version v = {.data = bytes_noise(LEN, 9), .len = LEN, .cut = CUT_CONTENT};
	struct err e;

	must(ingest_open(t->store, &in, &e));
	must(put_stream(in, &v, &earlier, &earlier, &e));
	must(ingest_checkpoint(in, &e));
	v.stop_at = LEN / 3;
	must_fail(put_stream(in, &v, &earlier, &recipe, &e), ERR_CANCELLED);
	ingest_drop(in);
	v.stop_at = 0;
	must(put_stream(in, &v, &earlier, &recipe, &e));
	assert_true(recipe_equal(&earlier, &recipe));
	free(v.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whatever_is_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_little_is_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_that_was_forced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_grown_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_became_shorter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stopped, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
