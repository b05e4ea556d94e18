/*
 * Goal: whatever threads do to a store at the same time (back up, read, delete, lock, sweep,
 * scrub), it answers as a plain list of backups would.  FB_LONG=1: ten minutes instead of seconds;
 * under ThreadSanitizer by dev/soak (preset `tsan`).
 */
#include "tests/unit/store/whole.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/gc/scrub.h"
#include "store/gc/sweep.h"

enum { BACKUPS = 24, DATA = 400000, SECONDS = 8, SECONDS_LONG = 600 };

/* A backup of the model.  Whoever takes one out to work on it has it alone, but for readers. */
struct known {
	char id[ID_SIZE]; /* "": a free place */
	uint64_t seed;
	size_t len;
	int readers;
	bool locked, busy;
};

struct model {
	struct store *store;
	pthread_mutex_t mutex;
	struct known list[BACKUPS];
	int64_t until_ns;
	atomic_int_fast64_t made, read, deleted, refused, swept, scrubbed;
	atomic_bool failed;
	struct err error; /* of the first failure */
};

struct worker {
	struct model *model;
	uint64_t random;
	pthread_t thread;
};

/* Belongs to one thread (splitmix64, Steele et al. 2014). */
static size_t
draw(struct worker *w, size_t below)
{
	uint64_t z = w->random += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return (z ^ z >> 31) % below;
}

/* Asserting is for the main thread: a failure is kept for it. */
static void
fail_with(struct model *m, const struct err *e, const char *what)
{
	LOCKED(&m->mutex);

	if (!m->failed) {
		m->error = *e;
		(void)err_prefix(&m->error, "%s", what);
	}
	m->failed = true;
}

static bool
goes_on(struct model *m)
{
	return !m->failed && clock_mono_ns() < m->until_ns;
}

/* Pages of a few common data, so that backups share chunks, and one of its own. */
static unsigned char *
data_of(uint64_t seed, size_t len)
{
	unsigned char *data = bytes_noise(len, 1 + seed % 4);
	SCOPED(free_at) unsigned char *own = bytes_noise(len / 2, 1000 + seed);

	memcpy(data + len / 4, own, len / 2);
	return data;
}

/* Any known backup that nobody changes (exclusive: nor reads); NULL if the draw found none. */
static struct known *
take(struct worker *w, bool exclusive)
{
	LOCKED(&w->model->mutex);
	struct known *k = &w->model->list[draw(w, BACKUPS)];

	if (k->id[0] == '\0' || k->busy || (exclusive && k->readers > 0))
		return NULL;
	if (exclusive)
		k->busy = true;
	else
		k->readers++;
	return k;
}

static void
give_back(struct model *m, struct known *k, bool exclusive, bool gone)
{
	LOCKED(&m->mutex);

	if (gone)
		k->id[0] = '\0';
	if (exclusive)
		k->busy = false;
	else
		k->readers--;
}

static void
act_make(struct worker *w)
{
	struct model *m = w->model;
	struct known made = {.seed = draw(w, 200), .len = 4 + draw(w, DATA)};
	SCOPED(free_at) unsigned char *data = data_of(made.seed, made.len);
	struct err e;

	if (backup_put(m->store, data, made.len, made.id, &e) != 0) {
		fail_with(m, &e, "backup");
		return;
	}
	m->made++;
	LOCKED(&m->mutex);
	for (size_t i = 0; i < BACKUPS; i++) {
		if (m->list[i].id[0] == '\0') {
			m->list[i] = made;
			return;
		}
	}
	if (backups_delete(m->store, made.id, &e) != 0) /* the model is full */
		abort();
}

static void
act_read(struct worker *w)
{
	struct known *k = take(w, false);
	struct err e;

	if (k == NULL)
		return;
	SCOPED(free_at) unsigned char *data = data_of(k->seed, k->len);
	if (backup_compare(w->model->store, k->id, data, k->len, &e) != 0)
		fail_with(w->model, &e, "reading");
	w->model->read++;
	give_back(w->model, k, false, false);
}

static void
act_lock(struct worker *w)
{
	struct known *k = take(w, true);
	struct err e;

	if (k == NULL)
		return;
	k->locked = draw(w, 3) == 0;
	if (backups_change(
		    w->model->store, k->id, &(struct backups_change){.locked = k->locked}, &e) != 0)
		fail_with(w->model, &e, "locking");
	give_back(w->model, k, true, false);
}

static void
act_delete(struct worker *w)
{
	struct model *m = w->model;
	struct known *k = take(w, true);
	struct err e = {.code = ERR_NONE};

	if (k == NULL)
		return;
	const int deleted = backups_delete(m->store, k->id, &e);
	if (k->locked != (deleted != 0) || (deleted != 0 && e.code != ERR_CONFLICT))
		fail_with(m, &e, k->locked ? "a locked one was deleted" : "deleting");
	if (deleted == 0)
		m->deleted++;
	else
		m->refused++;
	give_back(m, k, true, deleted == 0);
}

static void *
writer_run(void *arg)
{
	struct worker *w = arg;
	static void (*const acts[])(struct worker *) = {
		act_make, act_make, act_delete, act_delete, act_lock, act_read};

	while (goes_on(w->model))
		acts[draw(w, sizeof(acts) / sizeof(*acts))](w);
	return NULL;
}

static void *
reader_run(void *arg)
{
	struct worker *w = arg;

	while (goes_on(w->model))
		act_read(w);
	return NULL;
}

static void *
sweeper_run(void *arg)
{
	struct worker *w = arg;
	const struct sweep_options options = {.bytes_per_second = -1};
	struct sweep_totals totals;
	struct err e;

	while (goes_on(w->model)) {
		if (sweep_run(w->model->store, &options, &totals, &e) != 0)
			fail_with(w->model, &e, "sweep");
		else if (totals.chunks_damaged > 0)
			fail_with(w->model, &e, "a sweep found damage");
		w->model->swept++;
	}
	return NULL;
}

static void *
scrubber_run(void *arg)
{
	struct worker *w = arg;
	const struct scrub_options options = {.bytes_per_second = -1};
	struct scrub_totals totals;
	struct err e;

	while (goes_on(w->model)) {
		if (scrub_run(w->model->store, &options, &totals, &e) != 0)
			fail_with(w->model, &e, "scrub");
		else if (totals.chunks_damaged + totals.chunks_unread > 0)
			fail_with(w->model, &e, "a scrub found damage");
		free(totals.numbers);
		w->model->scrubbed++;
	}
	return NULL;
}

/* At rest: the list is the model's, and all of it reads back. */
static void
model_check(struct model *m)
{
	SCOPED(json_decref_at) json_t *list = NULL;
	size_t expected = 0;
	bool more = false;
	struct err e;

	for (size_t i = 0; i < BACKUPS; i++) {
		const struct known *k = &m->list[i];
		SCOPED(json_decref_at) json_t *record = NULL;
		if (k->id[0] == '\0')
			continue;
		SCOPED(free_at) unsigned char *data = data_of(k->seed, k->len);
		must(backup_compare(m->store, k->id, data, k->len, &e));
		must(backups_get(m->store, k->id, &record, &e));
		assert_int_equal(json_is_true(json_object_get(record, "locked")), k->locked);
		expected++;
	}
	must(backups_list(m->store, 1000, NULL, &list, &more, &e));
	assert_int_equal(json_array_size(list), expected);
	assert_false(more);
	whole_check(m->store);
}

static void
all_run(struct model *m)
{
	static void *(*const runs[])(void *) = {writer_run, writer_run, writer_run, reader_run,
		reader_run, sweeper_run, scrubber_run};
	enum { COUNT = sizeof(runs) / sizeof(*runs) };
	struct worker workers[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		workers[i] = (struct worker){.model = m, .random = 17 * i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, runs[i], &workers[i]), 0);
	}
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void
test_it_answers_as_the_model(void **context)
{
	const int seconds = getenv("FB_LONG") != NULL ? SECONDS_LONG : SECONDS;
	struct model m = {.mutex = PTHREAD_MUTEX_INITIALIZER};
	char *folder = folder_make();
	struct err e;

	(void)context;
	must(store_open(folder, &sample_options, &m.store, &e));
	m.until_ns = clock_mono_ns() + seconds * INT64_C(1000000000);
	all_run(&m);
	if (m.failed)
		fail_msg("%s", m.error.text);
	model_check(&m);
	store_close(m.store);
	must(store_open(folder, &sample_options, &m.store, &e));
	model_check(&m);
	store_close(m.store);
	folder_drop(folder);
	print_message(
		"%d s: %lld backups, %lld readings, %lld deletions (%lld refused), %lld sweeps, "
		"%lld scrubs\n",
		seconds, (long long)m.made, (long long)m.read, (long long)m.deleted,
		(long long)m.refused, (long long)m.swept, (long long)m.scrubbed);
	assert_true(m.made > 0 && m.read > 0 && m.deleted > 0 && m.swept > 0 && m.scrubbed > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_answers_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
