/*
 * Goal: whichever call of a deletion and its sweep fails or is the last of the process, the error
 * says so, no backup suffers, and the next sweep does the rest.
 */
#include "tests/unit/store/pages.h"

#include "tests/unit/store/faults.h"

#include <sys/wait.h>

enum { CALLS_MAX = 400 };

/* How many calls further the next fault is. */
static long
step(void)
{
	return sample_short() ? 4 : 1;
}

struct attempt {
	struct state base; /* a closed store, all of its packs sealed */
	char all[ID_SIZE], some[ID_SIZE];
	unsigned char *pages; /* of `some` */
	size_t len;
	char *folder; /* a copy of it */
	struct faults faults;
};

static int
attempt_set_up(void **context)
{
	struct attempt *a = mem_new(sizeof(*a));
	struct err e;

	a->base.folder = folder_make();
	a->base.data = bytes_noise(LEN, 85);
	a->pages = pages_of(a->base.data, 1, 3, &a->len);
	must(store_open(a->base.folder, &sample_options, &a->base.store, &e));
	pages_put(a->base.store, a->base.data, LEN, a->all);
	pages_put(a->base.store, a->pages, a->len, a->some);
	store_close(a->base.store);
	*context = a;
	return 0;
}

static int
attempt_tear_down(void **context)
{
	struct attempt *a = *context;

	folder_drop(a->base.folder);
	free(a->base.data);
	free(a->pages);
	free(a);
	return 0;
}

static struct store *
copy_open(struct attempt *a, const struct io *io)
{
	SCOPED(free_at) char *command = NULL;
	struct store_options options = sample_options;
	struct store *s = NULL;
	struct err e;

	if (a->folder == NULL) {
		a->folder = folder_make();
		command = mem_format("cp -a %s/. %s", a->base.folder, a->folder);
		assert_int_equal(system(command), 0);
	}
	options.io = io;
	must(store_open(a->folder, &options, &s, &e));
	return s;
}

static void
copy_drop(struct attempt *a)
{
	folder_drop(TAKE(a->folder));
}

static int
sweep_all(struct attempt *a, struct store *s, struct err *e)
{
	struct sweep_totals totals;

	if (backups_delete(s, a->all, e) != 0)
		return -1;
	return sweep_run(s, &fast, &totals, e);
}

/* What must be so however the sweep went, after the next one. */
static void
rest_check(struct attempt *a, struct store *s)
{
	struct sweep_totals totals;
	struct err e;

	whole_check(s);
	must(backup_compare(s, a->some, a->pages, a->len, &e));
	(void)backups_delete(s, a->all, &e);
	must(sweep_run(s, &fast, &totals, &e));
	whole_check(s);
	must(backup_compare(s, a->some, a->pages, a->len, &e));
}

/* And when the service has started again: nothing but what is needed is left. */
static void
restart_check(struct attempt *a)
{
	struct sweep_totals totals;
	struct err e;

	for (int i = 0; i < 2; i++) {
		SCOPED(store_close_at) struct store *s = copy_open(a, NULL);
		must(backup_compare(s, a->some, a->pages, a->len, &e));
		must(sweep_run(s, &fast, &totals, &e));
		whole_check(s);
		must(backup_compare(s, a->some, a->pages, a->len, &e));
	}
	SCOPED(store_close_at) struct store *s = copy_open(a, NULL);
	assert_int_equal(whole_number(s, "SELECT count(*) FROM chunks"), PAGES / 3);
	assert_int_equal(whole_number(s, "SELECT count(*) FROM ids"), PAGES / 3);
	assert_int_equal(whole_number(s, "SELECT count(*) FROM packs"), whole_files(a->folder));
	assert_in_range(whole_files(a->folder), 2, 6);
}

static void
every_call(struct attempt *a, enum fault kind, int number)
{
	const enum err_code expected = number == ENOSPC ? ERR_NO_SPACE : ERR_IO;
	bool hit = true;
	long n = 1 - step();
	struct err e;

	while (hit) {
		faults_init(&a->faults, kind, number);
		struct store *s = copy_open(a, &a->faults.io);
		a->faults.calls = 0;
		n += step();
		a->faults.at = n;
		const int result = sweep_all(a, s, &e);
		a->faults.at = 0;
		hit = a->faults.hit;
		if (result != 0 && (e.code != expected || !hit))
			fail_msg("call %ld: %s: %s", n, err_name(e.code), e.text);
		if (kind == FAULT_SHORT)
			assert_int_equal(result, 0);
		rest_check(a, s);
		store_close(s);
		restart_check(a);
		copy_drop(a);
	}
	assert_in_range(n, 30, CALLS_MAX);
}

static void
test_each_call_fails(void **context)
{
	every_call(*context, FAULT_ERROR, EIO);
}

static void
test_each_call_fails_for_good(void **context)
{
	every_call(*context, FAULT_ALWAYS, ENOSPC);
}

static void
test_each_call_comes_short(void **context)
{
	every_call(*context, FAULT_SHORT, EINTR);
}

static void
every_death(struct attempt *a, enum fault kind)
{
	bool died = true;
	long n = 1 - step();

	while (died) {
		int status;
		n += step();
		store_close(copy_open(a, NULL));
		const pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct err e;
			faults_init(&a->faults, kind, 0);
			struct store *s = copy_open(a, &a->faults.io);
			a->faults.calls = 0;
			a->faults.at = n;
			_exit(sweep_all(a, s, &e) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		died = WEXITSTATUS(status) == FAULT_DIED;
		struct store *s = copy_open(a, NULL);
		rest_check(a, s);
		store_close(s);
		restart_check(a);
		copy_drop(a);
	}
	assert_in_range(n, 30, CALLS_MAX);
}

static void
test_dies_before_each_call(void **context)
{
	every_death(*context, FAULT_DIE);
}

static void
test_dies_behind_each_call(void **context)
{
	every_death(*context, FAULT_DIE_AFTER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_each_call_fails_for_good),
		cmocka_unit_test(test_each_call_comes_short),
		cmocka_unit_test(test_dies_before_each_call),
		cmocka_unit_test(test_dies_behind_each_call),
	};

	return cmocka_run_group_tests(tests, attempt_set_up, attempt_tear_down);
}
