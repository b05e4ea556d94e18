/*
 * Goal: a stream with stretches replaced is that stream, whatever its cut, its new length and the
 * stretches; chunks that nothing touches keep their numbers; what is damaged or missing is told.
 */
#include "tests/unit/store/sample.h"

#include "store/write/overlay.h"

enum { LEN = 3 << 20, MORE = 400000, ROUNDS = 120, PIECES = 600 };

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

static uint64_t seed = 20261130;

static size_t
below(size_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % limit;
}

struct version {
	unsigned char *data; /* what the new stream is to be */
	struct overlay_piece pieces[PIECES];
	size_t count;
	size_t reads, stepped, stop_at;
	bool fail_read;
};

static int
read_piece(void *ctx, size_t i, void *data, struct err *e)
{
	struct version *v = ctx;

	v->reads++;
	if (v->fail_read)
		return err_set(e, ERR_IO, "not now");
	memcpy(data, v->data + v->pieces[i].offset, v->pieces[i].len);
	return 0;
}

static int
step(void *ctx, size_t len, struct err *e)
{
	struct version *v = ctx;

	v->stepped += len;
	return v->stop_at == 0 || v->stepped < v->stop_at ? 0 : err_set(e, ERR_CANCELLED, "stop");
}

/* Replace ${changes} stretches of ${page} bytes, and all behind the old end. */
static void
change(struct version *v, size_t old_len, size_t len, size_t page, size_t changes)
{
	bool *touched = mem_new(len / page + 1);

	for (size_t i = 0; i < changes && len > 0; i++)
		touched[below(len) / page] = true;
	/* The page in which one of the two ends is another one, too. */
	if (old_len != len)
		for (size_t i = (old_len < len ? old_len : len) / page; i * page < len; i++)
			touched[i] = true;
	v->count = 0;
	for (size_t at = 0; at < len; at += page) {
		const size_t part = len - at < page ? len - at : page;

		if (!touched[at / page])
			continue;
		assert_true(v->count < PIECES);
		v->pieces[v->count++] = (struct overlay_piece){(int64_t)at, part};
		for (size_t i = 0; i < part; i++)
			v->data[at + i] = (unsigned char)below(256);
	}
	free(touched);
}

static int
put(struct ingest *in, struct version *v, const struct recipe *base, enum cut cut, size_t len,
	struct recipe *to, struct err *e)
{
	const struct overlay o = {.base = base,
		.cut = cut,
		.size = (int64_t)len,
		.pieces = v->pieces,
		.count = v->count,
		.read = read_piece,
		.step = step,
		.ctx = v};

	v->stepped = 0;
	return ingest_overlay(in, &o, to, e);
}

static size_t
kept_chunks(const struct recipe *base, const struct recipe *now)
{
	size_t kept = 0;

	for (size_t i = 0; i < now->count; i++)
		for (size_t k = 0; k < base->count; k++)
			if (now->runs[i].first >= base->runs[k].first &&
				now->runs[i].first < base->runs[k].first + base->runs[k].count)
				kept++;
	return kept;
}

static void
commit_and_compare(struct state *t, struct ingest *in, const struct recipe *r,
	const unsigned char *data, size_t len)
{
	struct ingest_totals totals;
	SCOPED(json_decref_at) json_t *record = json_object();
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	must(backups_begin(t->store, id, 1, record, &e));
	must(ingest_totals(in, r, &totals, &e));
	assert_int_equal(totals.size_bytes, len);
	must(ingest_commit(in, id, "{}", r, &e));
	must(backup_compare(t->store, id, data, len, &e));
}

static void
round_of(struct state *t, enum cut cut, size_t page, int round)
{
	static const size_t changes[] = {0, 1, 3, 40};
	struct recipe base = RECIPE_INIT, now = RECIPE_INIT;
	struct version *v = mem_new(sizeof(*v));
	const size_t len = round % 7 == 0 ? 0 : LEN / 2 + below(LEN / 2);
	const size_t grown = len + below(MORE), shrunk = len - below(len + 1);
	const size_t new_len = round % 3 == 0 ? len : (round % 3 == 1 ? grown : shrunk);
	struct ingest *in;
	struct err e;

	v->data = bytes_noise(LEN + MORE, (uint64_t)round + 1);
	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, cut, v->data, len, 70000, &base, &e));
	must(ingest_checkpoint(in, &e));
	change(v, len, new_len, page, changes[round % 4]);
	must(put(in, v, &base, cut, new_len, &now, &e));
	if (new_len == len && v->count == 0)
		assert_true(recipe_equal(&base, &now));
	if (v->count > 0 && v->count < 4 && new_len == len && len > 0)
		assert_true(kept_chunks(&base, &now) > 0);
	commit_and_compare(t, in, &now, v->data, new_len);
	ingest_close(in);
	recipe_free(&base);
	recipe_free(&now);
	free(v->data);
	free(v);
}

static void
test_becomes_what_it_is(void **context)
{
	static const enum cut cuts[] = {CUT_CONTENT, CUT_FINE, CUT_PAGES_16, CUT_PAGES_64};
	const int rounds = sample_short() ? ROUNDS / 4 : ROUNDS;

	for (int i = 0; i < rounds; i++)
		round_of(*context, cuts[i / 12 % 4], i % 5 == 4 ? 60000 : 16384, i);
}

/* A page that is a chunk is not read back: damage in what is replaced does no harm; elsewhere it is
 * told. */
static void
test_errors(void **context)
{
	struct state *t = *context;
	struct recipe base = RECIPE_INIT, now = RECIPE_INIT;
	struct version *v = mem_new(sizeof(*v));
	struct ingest *in;
	struct err e;

	v->data = bytes_noise(LEN, 99);
	must(ingest_open(t->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, v->data, LEN, 70000, &base, &e));
	must(ingest_checkpoint(in, &e));
	change(v, LEN, LEN, 16384, 5);
	v->fail_read = true;
	assert_int_equal(put(in, v, &base, CUT_CONTENT, LEN, &now, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	v->fail_read = false;
	v->stop_at = 1;
	recipe_clear(&now);
	assert_int_equal(put(in, v, &base, CUT_CONTENT, LEN, &now, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	v->stop_at = 0;
	v->count = 0;
	recipe_clear(&now);
	assert_int_equal(put(in, v, &base, CUT_CONTENT, LEN + 1, &now, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	recipe_clear(&now);
	must(put(in, v, &base, CUT_CONTENT, LEN, &now, &e)); /* and the session goes on */
	assert_true(recipe_equal(&base, &now));
	ingest_close(in);
	recipe_free(&base);
	recipe_free(&now);
	free(v->data);
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_becomes_what_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
