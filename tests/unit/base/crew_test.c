/* Goal: what is shared is done once each, by whoever is there; nobody waits for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/crew.h"

enum { STEPS = 500, HELPERS = 3, ROUNDS = 200 };

struct tally {
	atomic_int done[STEPS];
	atomic_int others; /* steps on another thread than the sharer's */
	pthread_t sharer;
	useconds_t pause_us;
};

static void
step(void *ctx, size_t i)
{
	struct tally *t = ctx;

	if (t->pause_us > 0)
		(void)usleep(t->pause_us);
	t->done[i]++;
	t->others += pthread_equal(pthread_self(), t->sharer) == 0;
}

static void *
serve(void *crew)
{
	crew_serve(crew);
	return NULL;
}

static void
check(struct tally *t, size_t count)
{
	for (size_t i = 0; i < STEPS; i++)
		assert_int_equal(t->done[i], i < count ? 1 : 0);
}

static void
test_alone(void **state)
{
	struct crew *crew = crew_new();
	struct tally with = {.sharer = pthread_self()}, without = {.sharer = pthread_self()};

	(void)state;
	crew_share(crew, step, &with, STEPS);
	check(&with, STEPS);
	crew_share(NULL, step, &without, 7);
	check(&without, 7);
	assert_int_equal(with.others + without.others, 0);
	crew_free(crew);
}

static void
test_helped(void **state)
{
	struct crew *crew = crew_new();
	pthread_t helpers[HELPERS];
	struct tally slow = {.sharer = pthread_self(), .pause_us = 200};

	(void)state;
	for (int i = 0; i < HELPERS; i++)
		assert_int_equal(pthread_create(&helpers[i], NULL, serve, crew), 0);
	(void)usleep(50000);
	crew_share(crew, step, &slow, STEPS);
	check(&slow, STEPS);
	assert_true(slow.others > 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct tally quick = {.sharer = pthread_self()};
		const size_t count = (size_t)i % STEPS;

		crew_share(crew, step, &quick, count);
		check(&quick, count);
	}
	crew_dismiss(crew);
	for (int i = 0; i < HELPERS; i++)
		assert_int_equal(pthread_join(helpers[i], NULL), 0);
	crew_free(crew);
}

static void *
share_many(void *crew)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct tally t = {.sharer = pthread_self()};

		crew_share(crew, step, &t, STEPS);
		check(&t, STEPS);
	}
	return NULL;
}

static void
test_two_share_at_once(void **state)
{
	struct crew *crew = crew_new();
	pthread_t helper, other;

	(void)state;
	assert_int_equal(pthread_create(&helper, NULL, serve, crew), 0);
	assert_int_equal(pthread_create(&other, NULL, share_many, crew), 0);
	(void)share_many(crew);
	assert_int_equal(pthread_join(other, NULL), 0);
	crew_dismiss(crew);
	assert_int_equal(pthread_join(helper, NULL), 0);
	crew_free(crew);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_helped),
		cmocka_unit_test(test_two_share_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
