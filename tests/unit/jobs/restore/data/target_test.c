/* Goal: of any tree and any archive: after a swap the tree is what the archive has, whoever wrote
 * into it while that was prepared; after an undo, also by another process, it is what it was. */
#include "tests/unit/jobs/target_fixture.h"

enum { ROUNDS_IN_MEMORY = 100, ROUNDS_ON_DISK = 10, ROUNDS_LONG = 5000 };

static void
make(struct round *r)
{
	empty(r->f->tree);
	random_make(&r->a);
	assert_int_equal(mkdir(r->f->archived, 0700), 0);
	random_make(&r->b);
	archive(r);
	r->wanted = tree_list(r->f->archived, false);
}

static void
run_round(struct fixture *f, uint64_t seed, bool steady)
{
	const bool layer = seed / 3 % 2 == 0;
	struct round r = {.f = f, .seed = seed};

	r.a = (struct random_tree){
		.top = f->tree, .common = seed, .own = random_of(seed, "a", 0), .layer = layer};
	r.b = (struct random_tree){
		.top = f->archived, .common = seed, .own = random_of(seed, "b", 0), .layer = layer};
	r.told = mem_format("seed %llu", (unsigned long long)seed);
	make(&r);
	if (steady) /* what is older than this is not compared again */
		(void)usleep(50 * 1000);
	compare_and_stage(&r);
	if (seed / 6 % 2 == 0 && !layer)
		random_change(f->tree, &r.a, random_of(seed, "c", 0));
	r.before = tree_list(f->tree, true);
	swap(&r);
	end(&r);
	target_clear(&r.t);
	(void)close(r.tar);
	random_free(&r.a);
	random_free(&r.b);
	free(r.before);
	free(r.wanted);
	free(r.told);
	tree_remove(f->archived);
}

static void
test_rounds(void **state)
{
	const char *given = getenv("FB_SEED");
	const bool longer = getenv("FB_LONG") != NULL;

	(void)state;
	for (int disk = 0; disk < 2; disk++) {
		const int rounds = disk ? ROUNDS_ON_DISK : longer ? ROUNDS_LONG : ROUNDS_IN_MEMORY;
		struct fixture f;
		uint64_t seed;

		random_bytes(&seed, sizeof(seed));
		seed = given == NULL ? seed >> 16 : strtoull(given, NULL, 10);
		print_message("FB_SEED=%llu in %s\n", (unsigned long long)seed, places[disk]);
		open_fixture(&f, places[disk]);
		for (int i = 0; i < rounds; i++)
			run_round(&f, seed + (uint64_t)i, disk);
		close_fixture(&f);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};

	if (argc > 1 && strcmp(argv[1], "lend") == 0)
		return lender_main(argc - 1, argv + 1);
	if (geteuid() != 0) {
		(void)fprintf(stderr, "run this as root: owners and devices are part of it\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
