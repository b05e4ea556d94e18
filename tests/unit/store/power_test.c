/*
 * Goal: whenever the power goes off during backups, deletions and sweeps, and whatever of what was
 * not synced is on the disk then: the store opens, has each backup that was complete and not
 * deleted, bit for bit, and can be swept; and so it is with a catalogue made from its packs.
 */
#include "tests/unit/store/whole.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "store/gc/sweep.h"
#include "store/open/rebuild.h"
#include "store/write/session.h"
#include "tests/unit/store/disks.h"

enum { PAGE = 4096, PAGES = 40, LEN = PAGE * PAGES };

/* What happens, in this order; each bit is set when the call has returned, or begins. */
enum {
	KEPT_DONE,
	LOST_DONE,
	LOST_DELETING,
	LOST_DELETED,
	LAST_DONE,
	KEPT_DELETING,
	KEPT_DELETED,
};

static const struct store_options small = {
	.secret = SAMPLE_SECRET, .pack_bytes = 32 << 10, .reserve_bytes = -1};
static const struct sweep_options fast = {.bytes_per_second = -1};

/* Pages of the data: every ${step}-th from ${first} on. */
struct pages {
	size_t first, step, end;
};
static const struct pages base = {30, 1, 40}, lost = {0, 1, 30}, kept = {0, 3, 40},
			  last = {5, 1, 12};

struct trial {
	unsigned char *data;
	char base[ID_SIZE], lost[ID_SIZE], kept[ID_SIZE], last[ID_SIZE];
	size_t count; /* disks looked at so far */
};

/* Each so-manieth disk is swept, too, and has its catalogue made anew. */
enum { SWEPT = 5 };

/* Disks by chance at each call; most are like one before, as little is not synced at a time.  The
 * bulk of them is for an optimised build of plain stores. */
#if defined(__SANITIZE_ADDRESS__) || defined(SAMPLE_ENCRYPTED)
enum { DRAWS = 6, DRAWS_LONG = 320, LEAST = 1000 };
#else
enum { DRAWS = 320, DRAWS_LONG = 4000, LEAST = 10000 };
#endif
/* And of a short run none, and one in so many is looked at. */
enum { LOOKED = 7, LEAST_SHORT = 500, CORES = 16 };

static size_t
pages_of(const struct trial *t, const struct pages *p, unsigned char *to)
{
	size_t len = 0;

	for (size_t page = p->first; page < p->end; page += p->step, len += PAGE)
		memcpy(to + len, t->data + page * PAGE, PAGE);
	return len;
}

static void
pages_put(struct store *s, const struct trial *t, const struct pages *p, char id[ID_SIZE])
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(json_decref_at) json_t *record = json_object();
	unsigned char pages[LEN];
	const size_t len = pages_of(t, p, pages);
	struct err e;

	id_new(id);
	must(ingest_open(s, &in, &e));
	for (size_t at = 0; at < len; at += PAGE)
		must(stream_put(in, CUT_WHOLE, pages + at, PAGE, PAGE, &recipe, &e));
	must(backups_begin(s, id, clock_real_ns(), record, &e));
	must(ingest_commit(in, id, "{\"note\":\"done\"}", &recipe, &e));
}

static void
expect(struct store *s, const struct trial *t, const char *id, const struct pages *p, bool must_be,
	bool may_be)
{
	unsigned char pages[LEN];
	const size_t len = pages_of(t, p, pages);
	json_t *record = NULL;
	struct err e;

	if (id[0] == '\0' || backups_get(s, id, &record, &e) != 0) {
		assert_false(must_be);
		return;
	}
	const bool complete =
		strcmp(json_string_value(json_object_get(record, "state")), "complete") == 0;
	json_decref(record);
	assert_true(may_be && complete);
	must(backup_compare(s, id, pages, len, &e));
}

static void
backups_check(struct store *s, const struct trial *t, unsigned marks)
{
	const bool lost_done = (marks >> LOST_DONE & 1) != 0;
	const bool kept_done = (marks >> KEPT_DONE & 1) != 0;

	expect(s, t, t->base, &base, true, true);
	expect(s, t, t->lost, &lost, lost_done && (marks >> LOST_DELETING & 1) == 0,
		(marks >> LOST_DELETED & 1) == 0);
	expect(s, t, t->kept, &kept, kept_done && (marks >> KEPT_DELETING & 1) == 0,
		(marks >> KEPT_DELETED & 1) == 0);
	expect(s, t, t->last, &last, (marks >> LAST_DONE & 1) != 0, true);
	whole_check(s);
}

static void
disk_check(void *ctx, char *folder, unsigned marks)
{
	struct trial *t = ctx;
	struct rebuild_totals rebuilt;
	struct sweep_totals totals;
	struct store *s = NULL;
	struct err e;

	must(store_open(folder, &small, &s, &e));
	backups_check(s, t, marks);
	if (t->count++ % SWEPT == 0) {
		must(sweep_run(s, &fast, &totals, &e));
		backups_check(s, t, marks);
		store_close(s);
		must(rebuild_run(folder, &small, &rebuilt, &e));
		must(store_open(folder, &small, &s, &e));
		backups_check(s, t, marks);
	}
	store_close(s);
	folder_drop(folder);
}

static void
delete_and_sweep(struct store *s, const char *id, int deleting, int deleted)
{
	struct sweep_totals totals;
	struct err e;

	power_mark(deleting);
	must(backups_delete(s, id, &e));
	power_mark(deleted);
	must(sweep_run(s, &fast, &totals, &e));
	assert_true(totals.packs_removed > 0);
}

static void
history_make(struct trial *t, const char *folder)
{
	struct sweep_totals totals;
	struct store *s = NULL;
	struct err e;

	must(store_open(folder, &small, &s, &e));
	pages_put(s, t, &lost, t->lost);
	power_mark(LOST_DONE);
	pages_put(s, t, &kept, t->kept);
	power_mark(KEPT_DONE);
	store_close(s);
	must(store_open(folder, &small, &s, &e));
	delete_and_sweep(s, t->lost, LOST_DELETING, LOST_DELETED);
	pages_put(s, t, &last, t->last);
	power_mark(LAST_DONE);
	store_close(s);
	must(store_open(folder, &small, &s, &e));
	delete_and_sweep(s, t->kept, KEPT_DELETING, KEPT_DELETED);
	store_close(s);
	must(store_open(folder, &small, &s, &e));
	must(sweep_run(s, &fast, &totals, &e));
	store_close(s);
}

/* In a process of its own: a part of the disks.  A failed assertion ends it as a test that failed.
 */
static void
part_check(struct trial *t, const struct share *share, size_t *shared_count)
{
	const size_t count = disks_each(share, folder_make, disk_check, t);

	if (share->mine == 0)
		*shared_count = count;
	exit(0);
}

static size_t
disks_check(struct trial *t)
{
	const long found = sysconf(_SC_NPROCESSORS_ONLN);
	const size_t cores = found < 1 ? 1 : found > CORES ? CORES : (size_t)found;
	struct share share = {.of = sample_short() ? LOOKED * cores : cores,
		.draws = sample_short()		     ? 0
			 : getenv("FB_LONG") != NULL ? DRAWS_LONG
						     : DRAWS};
	size_t *count = mmap(
		NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[CORES];

	assert_ptr_not_equal(count, MAP_FAILED);
	for (; share.mine < cores; share.mine++) {
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			part_check(t, &share, count);
		children[share.mine] = child;
	}
	for (size_t i = 0; i < cores; i++) {
		int status = -1;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	const size_t all = *count;
	(void)munmap(count, sizeof(*count));
	return all;
}

static void
test_the_power_goes_off(void **context)
{
	struct trial t = {.data = bytes_noise(LEN, 91)};
	char *folder = folder_make();
	struct store *s = NULL;
	struct err e;

	(void)context;
	must(store_open(folder, &small, &s, &e));
	pages_put(s, &t, &base, t.base);
	store_close(s);
	disks_start(folder);
	history_make(&t, folder);
	power_stop();
	const size_t count = disks_check(&t);
	print_message("%zu calls, %zu disks, one in %d looked at\n", power.count, count,
		sample_short() ? LOOKED : 1);
	assert_true(count > (sample_short() ? LEAST_SHORT : LEAST));
	disks_free();
	folder_drop(folder);
	free(t.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_power_goes_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
