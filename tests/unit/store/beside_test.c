/*
 * Goal: backups, deletions and downloads go on beside a sweep, at each of its steps, and lose
 * nothing; one that is stopped at any step can be gone on with.
 */
#include "tests/unit/store/pages.h"

#include <pthread.h>

#include "store/gc/scrub.h"

/* What goes on while a sweep does: called before each record and between all steps. */
struct beside {
	struct state *t;
	long calls, at;
	void (*act)(struct beside *b);
	struct ingest *in;
	struct recipe recipe;
	char id[ID_SIZE];
	bool stop;
};

static bool
beside_step(void *ctx)
{
	struct beside *b = ctx;

	if (++b->calls == b->at && b->act != NULL)
		b->act(b);
	return b->stop && b->calls >= b->at;
}

/* A whole backup of the chunks that are being swept, from the look-up to the end. */
static void
act_backup(struct beside *b)
{
	pages_put(b->t->store, b->t->data, LEN, b->id);
}

/* A backup whose session is still open when the sweep ends. */
static void
act_session(struct beside *b)
{
	struct err e;

	must(ingest_open(b->t->store, &b->in, &e));
	must(stream_put(b->in, CUT_PAGES_16, b->t->data, LEN, LEN, &b->recipe, &e));
}

/* One that was given up. */
static void
act_given_up(struct beside *b)
{
	act_session(b);
	ingest_close(TAKE(b->in));
}

/* The last backup is deleted, too. */
static void
act_delete(struct beside *b)
{
	struct err e;

	must(backups_delete(b->t->store, b->id, &e));
}

/* With ${act} at the ${at}-th step.  False if there are fewer steps. */
static bool
sweep_beside(struct state *t, void (*act)(struct beside *b), long at)
{
	struct beside b = {.t = t, .at = at, .act = act};
	const struct sweep_options options = {
		.bytes_per_second = -1, .stop = beside_step, .ctx = &b};
	struct sweep_totals totals;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	struct err e;

	memcpy(b.id, some, ID_SIZE);
	must(sweep_run(t->store, &options, &totals, &e));
	if (b.in != NULL) {
		must(pages_commit(b.in, &b.recipe, b.id, &e));
		ingest_close(b.in);
	}
	recipe_free(&b.recipe);
	whole_check(t->store);
	if (act != act_delete)
		must(backup_compare(t->store, some, pages, len, &e));
	if (b.calls >= at && (act == act_backup || act == act_session))
		must(backup_compare(t->store, b.id, t->data, LEN, &e));
	must(sweep_run(t->store, &fast, &totals, &e));
	whole_check(t->store);
	if (b.calls >= at && (act == act_backup || act == act_session))
		must(backup_compare(t->store, b.id, t->data, LEN, &e));
	return b.calls >= at;
}

static void
every_step(void **context, void (*act)(struct beside *b))
{
	struct state *t = *context;
	bool more = true;
	long at = 0;

	while (more) {
		more = sweep_beside(t, act, ++at);
		assert_int_equal(tear_down((void **)&t), 0);
		assert_int_equal(set_up((void **)&t), 0);
	}
	assert_in_range(at, 20, 200);
	*context = t;
}

static void
test_a_backup_at_each_step(void **context)
{
	every_step(context, act_backup);
}

static void
test_a_session_at_each_step(void **context)
{
	every_step(context, act_session);
}

static void
test_a_backup_given_up_at_each_step(void **context)
{
	every_step(context, act_given_up);
}

static void
test_a_deletion_at_each_step(void **context)
{
	every_step(context, act_delete);
}

/* Stopped at each step, and gone on with by the next sweep of the same or the next process. */
static void
test_stopped_at_each_step(void **context)
{
	struct state *t = *context;
	const size_t third = PAGES / 3;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	struct beside b = {.t = t, .stop = true};
	const struct sweep_options options = {
		.bytes_per_second = -1, .stop = beside_step, .ctx = &b};
	struct sweep_totals totals;
	int result = -1;
	struct err e;

	while (result != 0) {
		b.calls = 0;
		b.at++;
		result = sweep_run(t->store, &options, &totals, &e);
		if (result != 0)
			assert_int_equal(e.code, ERR_CANCELLED);
		whole_check(t->store);
		must(backup_compare(t->store, some, pages, len, &e));
		if (b.at % 3 == 0)
			reopen(t);
	}
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM chunks"), third);
	assert_in_range(b.at, 10, 100);
}

/* A download reads on from packs that are emptied; their files stay until it is done. */
struct sweeper {
	struct store *store;
	struct sweep_totals totals;
	_Atomic bool waits, over;
};

static void
sweeper_tell(void *ctx, const char *phase, int64_t done, int64_t total)
{
	struct sweeper *w = ctx;

	(void)done;
	(void)total;
	if (strcmp(phase, "wait") == 0)
		w->waits = true;
}

static void *
sweeper_run(void *ctx)
{
	struct sweeper *w = ctx;
	const struct sweep_options options = {
		.bytes_per_second = -1, .tell = sweeper_tell, .ctx = w};
	struct err e;

	must(sweep_run(w->store, &options, &w->totals, &e));
	w->over = true;
	return NULL;
}

/* The download of ${id} (${len} plain bytes), its first half read before, the rest during. */
static void
download_beside(struct state *t, const char *id, const unsigned char *data, size_t len)
{
	struct sweeper sweeper = {.store = t->store};
	struct replay *r = NULL;
	SCOPED(free_at) unsigned char *read = mem_new(len);
	pthread_t thread;
	struct err e;
	size_t at = 0;

	must(replay_open(t->store, id, &r, &e));
	const struct source source = replay_plain(r);
	while (at < len / 2)
		at += (size_t)source_read(&source, read + at, 5000, &e);
	must(backups_delete(t->store, id, &e));
	const size_t files = whole_files(t->folder);
	assert_int_equal(pthread_create(&thread, NULL, sweeper_run, &sweeper), 0);
	while (!sweeper.waits && !sweeper.over)
		(void)usleep(1000);
	assert_true(whole_files(t->folder) >= files);
	assert_false(sweeper.over);
	while (at < len) {
		const ssize_t n = source_read(&source, read + at, len - at, &e);
		must(n);
		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_memory_equal(read, data, len);
	assert_false(sweeper.over);
	replay_close(r);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(whole_files(t->folder) < files);
	assert_true(sweeper.totals.packs_removed > 0);
	whole_check(t->store);
}

static void
test_a_download_beside(void **context)
{
	struct state *t = *context;
	char some[ID_SIZE];
	size_t len = 0;
	SCOPED(free_at) unsigned char *pages = pages_delete(t, some, &len);
	struct sweep_totals totals;
	struct err e;

	/* what is downloaded is moved; its own recipe is deleted, so only the lease holds it */
	download_beside(t, some, pages, len);
	must(sweep_run(t->store, &fast, &totals, &e));
	reopen(t);
	must(sweep_run(t->store, &fast, &totals, &e));
	reopen(t);
	must(sweep_run(t->store, &fast, &totals, &e));
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM chunks"), 0);
	assert_int_equal(whole_number(t->store, "SELECT count(*) FROM deletions"), 0);
}

/* Sweeps one after the other, while backups are made, read back and deleted by others. */
struct worker {
	struct state *t;
	_Atomic bool *over;
	uint64_t seed;
	char last[ID_SIZE]; /* what is left at the end */
	size_t first, step;
	pthread_t thread;
};

static void *
sweep_on(void *ctx)
{
	struct worker *w = ctx;
	struct sweep_totals totals;
	struct err e;

	while (!*w->over)
		must(sweep_run(w->t->store, &fast, &totals, &e));
	return NULL;
}

/* What is moved and removed meanwhile is no damage. */
static void *
scrub_on(void *ctx)
{
	struct worker *w = ctx;
	const struct scrub_options options = {.bytes_per_second = -1};
	struct scrub_totals totals;
	struct err e;

	while (!*w->over) {
		must(scrub_run(w->t->store, &options, &totals, &e));
		assert_int_equal(totals.chunks_damaged + totals.chunks_unread, 0);
	}
	return NULL;
}

static void *
work_on(void *ctx)
{
	struct worker *w = ctx;
	struct err e;

	for (int round = 0; round < 25; round++) {
		size_t len = 0;
		char id[ID_SIZE];
		w->seed = w->seed * 6364136223846793005 + 1442695040888963407;
		w->first = (size_t)(w->seed >> 33) % 20;
		w->step = 1 + (size_t)(w->seed >> 40) % 4;
		SCOPED(free_at)
		unsigned char *pages = pages_of(w->t->data, w->first, w->step, &len);
		pages_put(w->t->store, pages, len, id);
		must(backup_compare(w->t->store, id, pages, len, &e));
		if (w->last[0] != '\0')
			must(backups_delete(w->t->store, w->last, &e));
		must(backup_compare(w->t->store, id, pages, len, &e));
		memcpy(w->last, id, ID_SIZE);
	}
	return NULL;
}

static void
test_all_at_once(void **context)
{
	struct state *t = *context;
	_Atomic bool over = false;
	struct worker sweeper = {.t = t, .over = &over};
	struct worker scrubber = {.t = t, .over = &over};
	struct worker workers[3] = {{.t = t, .seed = 1}, {.t = t, .seed = 2}, {.t = t, .seed = 3}};
	struct sweep_totals totals;
	struct err e;

	assert_int_equal(pthread_create(&sweeper.thread, NULL, sweep_on, &sweeper), 0);
	assert_int_equal(pthread_create(&scrubber.thread, NULL, scrub_on, &scrubber), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work_on, &workers[i]), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	over = true;
	assert_int_equal(pthread_join(sweeper.thread, NULL), 0);
	assert_int_equal(pthread_join(scrubber.thread, NULL), 0);
	whole_check(t->store);
	reopen(t);
	must(sweep_run(t->store, &fast, &totals, &e));
	whole_check(t->store);
	for (int i = 0; i < 3; i++) {
		size_t len = 0;
		SCOPED(free_at)
		unsigned char *pages = pages_of(t->data, workers[i].first, workers[i].step, &len);
		must(backup_compare(t->store, workers[i].last, pages, len, &e));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_backup_at_each_step),
		CASE(test_a_session_at_each_step),
		CASE(test_a_backup_given_up_at_each_step),
		CASE(test_a_deletion_at_each_step),
		CASE(test_stopped_at_each_step),
		CASE(test_a_download_beside),
		CASE(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
