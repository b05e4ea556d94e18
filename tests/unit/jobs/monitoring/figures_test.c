/* Goal: the figures say of each plan what its newest backups were, and count each operation that
 * ends, in its range. */
#include "tests/unit/store/sample.h"

#include "jobs/monitoring/figures.h"
#include "store/catalogue/figures.h"

struct world {
	char *folder;
	struct store *store;
	struct operations *operations;
	struct tally *tally;
	struct plan *plan;
};

static void
begin(struct world *w)
{
	struct err e;

	*w = (struct world){.folder = folder_make(), .tally = tally_new()};
	must(store_open(w->folder, &sample_options, &w->store, &e));
	must(operations_open(w->store, &w->operations, &e));
	must(plan_parse(NULL, &w->plan, &e));
}

static void
end(struct world *w)
{
	plan_free(w->plan);
	tally_free(w->tally);
	operations_stop(w->operations);
	operations_close(w->operations);
	store_close(w->store);
	folder_drop(w->folder);
}

static void
take(struct world *w, struct figures *f)
{
	struct err e;

	must(figures_take(w->tally, w->store, w->operations, w->plan, f, &e));
}

static const int64_t second_ns = 1000000000;

/* A backup of the plan ${paths} (host paths; NULL: the default plan), begun ${at_s} seconds after
 * 1970. */
static void
put(struct world *w, bool complete, const char *asked, int64_t at_s, int64_t freeze_ms)
{
	SCOPED(ingest_close_at) struct ingest *in = NULL;
	SCOPED(recipe_free) struct recipe recipe = RECIPE_INIT;
	SCOPED(plan_free_at) struct plan *plan = NULL;
	SCOPED(json_decref_at) json_t *json = asked == NULL ? NULL : json_loads(asked, 0, NULL);
	SCOPED(json_decref_at) json_t *record = NULL;
	char id[ID_SIZE];
	struct err e;

	id_new(id);
	must(plan_parse(json, &plan, &e));
	record = json_pack("{s:O, s:I, s:I, s:I, s:I, s:I}", "plan", plan->document, "freeze_ms",
		(json_int_t)freeze_ms, "duration_ms", (json_int_t)(2 * freeze_ms), "size_bytes",
		(json_int_t)3000, "stored_bytes", (json_int_t)2000, "archive_bytes",
		(json_int_t)1000);
	must(backups_begin(w->store, id, at_s * second_ns, record, &e));
	if (!complete) {
		must(backups_fail(w->store, id, record, &e));
		return;
	}
	SCOPED(free_at) char *text = json_dumps(record, JSON_COMPACT);
	must(ingest_open(w->store, &in, &e));
	must(stream_put(in, CUT_CONTENT, (const unsigned char *)id, ID_SIZE, ID_SIZE, &recipe, &e));
	must(ingest_commit(in, id, text, &recipe, &e));
}

static void
end_operation(struct world *w, const char *kind, const char *state, const char *ended_at,
	int64_t freeze_ms)
{
	SCOPED(json_decref_at)
	json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:{s:I}}", "kind", kind, "state", state,
		"created_at", "2026-11-23T09:00:00.000Z", "ended_at", ended_at, "result",
		"freeze_ms", (json_int_t)freeze_ms);

	assert_non_null(document);
	tally_ended(w->tally, document);
}

static void
test_empty(void **state)
{
	struct figures f;
	struct world w;

	(void)state;
	begin(&w);
	take(&w, &f);
	assert_int_equal(f.plans_count, 1);
	assert_string_equal(f.plans[0].name, "default");
	assert_string_equal(f.plans[0].id, "");
	assert_int_equal(f.plans[0].success_ns + f.plans[0].failure_ns, 0);
	assert_int_equal(f.ended_count, 0);
	assert_int_equal(f.scrub_ns, 0);
	assert_int_equal(f.chunks_bad, 0);
	assert_true(f.free_bytes > 0);
	end(&w);
}

static void
test_newest_of_each_plan(void **state)
{
	struct figures f;
	struct world w;

	(void)state;
	begin(&w);
	put(&w, true, NULL, 1000, 900);
	put(&w, false, NULL, 2000, 5000); /* of one that failed no freeze counts */
	put(&w, false, NULL, 3000, 5000);
	put(&w, true, NULL, 4000, 30);
	put(&w, true, "{\"host_paths\": [\"/srv\"]}", 5000, 77);
	put(&w, false, "{\"host_paths\": [\"/etc\"]}", 6000, 1);
	take(&w, &f);
	assert_int_equal(f.plans_count, 3);
	assert_string_equal(f.plans[0].name, "default");
	assert_int_equal(f.plans[0].success_ns, 4000 * second_ns);
	assert_int_equal(f.plans[0].failure_ns, 3000 * second_ns);
	assert_int_equal(f.plans[0].freeze_ms, 30);
	assert_int_equal(f.plans[0].freeze_max_ms, 900);
	assert_int_equal(f.plans[0].duration_ms, 60);
	assert_int_equal(f.plans[0].size_bytes, 3000);
	assert_int_equal(f.plans[0].stored_bytes, 2000);
	assert_int_equal(f.plans[0].archive_bytes, 1000);
	/* Newest first: that of /etc, which never succeeded, then that of /srv. */
	assert_int_equal(strlen(f.plans[1].name), 16);
	assert_int_equal(f.plans[1].failure_ns, 6000 * second_ns);
	assert_int_equal(f.plans[1].success_ns, 0);
	assert_string_equal(f.plans[1].id, "");
	assert_int_equal(f.plans[2].success_ns, 5000 * second_ns);
	assert_int_equal(f.plans[2].freeze_ms, 77);
	assert_string_not_equal(f.plans[1].name, f.plans[2].name);
	end(&w);
}

/* One of a time that is still to come is no success that anybody could rely on. */
static void
test_a_time_to_come(void **state)
{
	const int64_t ahead_s = clock_real_ns() / second_ns + 400 * 86400;
	struct figures f;
	struct world w;

	(void)state;
	begin(&w);
	put(&w, true, NULL, 1000, 10);
	put(&w, true, NULL, ahead_s, 20);
	put(&w, false, NULL, ahead_s, 20);
	take(&w, &f);
	assert_int_equal(f.plans[0].success_ns, 1000 * second_ns);
	assert_int_equal(f.plans[0].failure_ns, 0);
	assert_int_equal(f.plans[0].freeze_ms, 20); /* of the newest nonetheless */
	put(&w, true, NULL, 2000, 30);
	take(&w, &f);
	assert_int_equal(f.plans[0].success_ns, 2000 * second_ns);
	assert_int_equal(f.plans[0].freeze_ms, 30);
	end(&w);
}

/* What is kept and rehearsed makes no other plan. */
static void
test_same_plan(void **state)
{
	struct figures f;
	struct world w;

	(void)state;
	begin(&w);
	put(&w, true, "{\"host_paths\": [\"/srv\"]}", 1000, 10);
	put(&w, true, "{\"host_paths\": [\"/srv\"], \"keep\": {\"last\": 3}}", 2000, 20);
	put(&w, true, "{\"host_paths\": [\"/srv\"], \"rehearse\": \"after-backup\"}", 3000, 5);
	take(&w, &f);
	assert_int_equal(f.plans_count, 2);
	assert_int_equal(f.plans[1].success_ns, 3000 * second_ns);
	assert_int_equal(f.plans[1].freeze_max_ms, 20);
	end(&w);
}

/* A plan is a request's, so their number is bounded; the default one is there in any case. */
static void
test_many_plans(void **state)
{
	struct figures f;
	struct world w;
	char asked[64];

	(void)state;
	begin(&w);
	put(&w, true, NULL, 1, 5);
	for (int i = 0; i < FIGURES_PLANS + 5; i++) {
		(void)snprintf(asked, sizeof(asked), "{\"host_paths\": [\"/srv/%d\"]}", i);
		put(&w, true, asked, 1000 + i, i);
	}
	take(&w, &f);
	assert_int_equal(f.plans_count, FIGURES_PLANS);
	assert_int_equal(f.plans[0].success_ns, second_ns);
	assert_int_equal(f.plans[1].success_ns, (1000 + FIGURES_PLANS + 4) * second_ns);
	assert_int_equal(f.plans[FIGURES_PLANS - 1].success_ns, (1000 + 6) * second_ns);
	end(&w);
}

static int64_t
counted(const struct figures *f, const char *kind, const char *state)
{
	for (int i = 0; i < f->ended_count; i++)
		if (strcmp(f->ended[i].kind, kind) == 0 && strcmp(f->ended[i].state, state) == 0)
			return f->ended[i].count;
	return 0;
}

/* In which range of ${h} the only value is. */
static double
bound(const struct histogram *h)
{
	for (int i = 0; i < h->count; i++)
		if (h->values[i] != 0)
			return h->bounds[i];
	assert_int_equal(h->values[h->count], 1);
	return -1;
}

static void
test_operations_that_ended(void **state)
{
	struct figures f;
	struct world w;

	(void)state;
	begin(&w);
	end_operation(&w, "backup", "succeeded", "2026-11-23T09:00:10.000Z", 42);
	take(&w, &f);
	assert_true(bound(&f.backup_s) == 15);
	assert_true(bound(&f.freeze_s) == 0.05);
	assert_true(f.backup_s.sum == 10 && f.freeze_s.sum == 0.042);
	end_operation(&w, "backup", "failed", "2026-11-23T10:00:00.000Z", 9000);
	end_operation(&w, "backup", "failed", "2026-11-23T10:00:00.000Z", 9000);
	end_operation(&w, "restore", "succeeded", "2026-11-23T10:00:00.000Z", 9000);
	take(&w, &f); /* none of these is a backup that succeeded */
	assert_true(f.backup_s.sum == 10 && f.freeze_s.sum == 0.042);
	assert_int_equal(counted(&f, "backup", "succeeded"), 1);
	assert_int_equal(counted(&f, "backup", "failed"), 2);
	assert_int_equal(counted(&f, "restore", "succeeded"), 1);
	assert_int_equal(f.ended_count, 3);
	end(&w);
}

/* At a bound a value is in the range that ends there; beyond the last one it is counted, too. */
static void
test_ranges(void **state)
{
	static const struct {
		const char *ended_at;
		int64_t freeze_ms;
		double backup_s, freeze_s;
	} cases[] = {{"2026-11-23T09:00:00.000Z", 0, 1, 0.005},
		{"2026-11-23T09:00:01.000Z", 5, 1, 0.005}, {"2026-11-23T09:00:01.001Z", 6, 5, 0.01},
		{"2026-11-23T17:00:00.000Z", 600000, 28800, 600},
		{"2026-11-23T17:00:00.001Z", 600001, -1, -1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct figures f;
		struct world w;

		begin(&w);
		end_operation(&w, "backup", "succeeded", cases[i].ended_at, cases[i].freeze_ms);
		take(&w, &f);
		assert_true(bound(&f.backup_s) == cases[i].backup_s);
		assert_true(bound(&f.freeze_s) == cases[i].freeze_s);
		end(&w);
	}
}

/* Kinds and states are ours; should there ever be more of them than places, the first ones go on.
 */
static void
test_too_many_kinds(void **state)
{
	struct figures f;
	struct world w;
	char kind[16];

	(void)state;
	begin(&w);
	for (int i = 0; i < FIGURES_KINDS * 4 + 10; i++) {
		(void)snprintf(kind, sizeof(kind), "kind-%d", i);
		end_operation(&w, kind, "failed", "2026-11-23T10:00:00.000Z", 0);
	}
	end_operation(&w, "kind-0", "failed", "2026-11-23T10:00:00.000Z", 0);
	take(&w, &f);
	assert_int_equal(f.ended_count, FIGURES_KINDS * 4);
	assert_int_equal(counted(&f, "kind-0", "failed"), 2);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_newest_of_each_plan),
		cmocka_unit_test(test_a_time_to_come),
		cmocka_unit_test(test_same_plan),
		cmocka_unit_test(test_many_plans),
		cmocka_unit_test(test_operations_that_ended),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_too_many_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
