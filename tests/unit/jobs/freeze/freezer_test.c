/* Goal: who gives a freeze up while another still waits for a cgroup to come to a stand has the
 * last word: nothing is frozen again behind him.  Files stand in for the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "jobs/freeze/freezer.h"

/* ITEMS: containers; a hold waits for two seconds for each that never stands still. */
enum { ITEMS = 3, A_WHILE_US = 50 * 1000, SOON_MS = 1000 };

struct world {
	struct engine *engine; /* away */
	struct frozen_set set;
	struct frozen items[ITEMS];
	int switches[ITEMS]; /* what was written last */
};

static int
file_with(const char *text)
{
	const int fd = memfd_create("freezer.state", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* Freezers of version 1 that say ${state}, whatever is written. */
static void
world_open(struct world *w, const char *state)
{
	struct err e;

	*w = (struct world){0};
	assert_int_equal(engine_open("unix:///nowhere/docker.sock", &w->engine, &e), 0);
	(void)pthread_mutex_init(&w->set.mutex, NULL);
	w->set.engine = w->engine;
	w->set.cgroups = cgroups_new(false, ITEMS);
	w->set.items = w->items;
	w->set.count = ITEMS;
	for (size_t i = 0; i < ITEMS; i++) {
		static char id[] = "0123456789abcdef";
		int fds[CGROUP_FDS] = {
			[CGROUP_WRITE] = file_with("THAWED"), [CGROUP_READ] = file_with(state)};

		w->items[i] =
			(struct frozen){.id = id, .name = id, .place = i, .by = &freezer_cgroup};
		w->switches[i] = dup(fds[CGROUP_WRITE]);
		cgroups_adopt(w->set.cgroups, i, fds);
	}
}

static void
world_close(struct world *w)
{
	for (size_t i = 0; i < ITEMS; i++)
		(void)close(w->switches[i]);
	cgroups_close(w->set.cgroups);
	engine_close(w->engine);
	(void)pthread_mutex_destroy(&w->set.mutex);
}

static void
assert_switches(const struct world *w, const char *expected)
{
	for (size_t i = 0; i < ITEMS; i++) {
		char text[16] = "";

		assert_true(pread(w->switches[i], text, sizeof(text) - 1, 0) >= 0);
		assert_string_equal(text, expected);
	}
}

static void *
hold(void *ctx)
{
	struct world *w = ctx;

	freezer_cgroup.hold(&w->set);
	return NULL;
}

/* As freeze_watch.c does when the time is up. */
static void
give_up(struct world *w)
{
	atomic_store(&w->set.expired, true);
	frozen_let_go(&w->set);
	freezer_cgroup.release(&w->set);
}

static void
test_given_up_while_it_is_awaited(void **state)
{
	struct world w;
	pthread_t thread;
	int64_t since_ns;

	(void)state;
	world_open(&w, "THAWED"); /* it never comes to a stand */
	assert_int_equal(pthread_create(&thread, NULL, hold, &w), 0);
	(void)usleep(A_WHILE_US);
	assert_switches(&w, "FROZEN");
	since_ns = clock_mono_ns();
	give_up(&w);
	(void)pthread_join(thread, NULL);
	assert_in_range(clock_since_ms(since_ns), 0, SOON_MS);
	assert_switches(&w, "THAWED");
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(w.items[i].hold, HOLD_THAWED);
	world_close(&w);
}

/* Nothing is frozen that was given up before. */
static void
test_given_up_before(void **state)
{
	struct world w;
	struct err e;

	(void)state;
	world_open(&w, "THAWED");
	give_up(&w);
	freezer_cgroup.hold(&w.set);
	assert_int_equal(frozen_on(&w.set, &w.items[0], &e), 0);
	assert_switches(&w, "THAWED");
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(w.items[i].hold, HOLD_NONE);
	world_close(&w);
}

/* What was thawed is not frozen once more by who still waits, also if the freeze goes on. */
static void
test_thawed_is_thawed(void **state)
{
	struct world w;
	struct err e;

	(void)state;
	world_open(&w, "FROZEN");
	freezer_cgroup.hold(&w.set);
	assert_int_equal(w.items[0].hold, HOLD_NONE); /* its owner's: it stood still before */
	world_close(&w);
	world_open(&w, "THAWED");
	assert_int_equal(frozen_on(&w.set, &w.items[0], &e), 1);
	assert_int_equal(frozen_on_again(&w.set, &w.items[0], &e), 1);
	assert_int_equal(frozen_off(&w.set, &w.items[0], &e), 0);
	assert_int_equal(frozen_on_again(&w.set, &w.items[0], &e), 0);
	assert_int_equal(frozen_on_again(&w.set, &w.items[1], &e), 0);
	assert_int_equal(frozen_off(&w.set, &w.items[1], &e), 0);
	assert_switches(&w, "THAWED");
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_up_while_it_is_awaited),
		cmocka_unit_test(test_given_up_before),
		cmocka_unit_test(test_thawed_is_thawed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
