/* Goal: no kind of client takes the place of all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "server/guests.h"

static struct guests all;
static int64_t now;

static int
setup(void **state)
{
	(void)state;
	memset(&all, 0, sizeof(all));
	now = 0;
	return 0;
}

static struct caller
from(enum origin origin, uint64_t network)
{
	return (struct caller){.origin = origin, .network = network};
}

/* As the gate does: who is in the way goes. */
static struct guest *
come(struct caller caller)
{
	bool full;
	struct guest *first = guests_in_the_way(&all, caller, &full);

	if (first != NULL)
		guests_move(&all, first, GUEST_FREE);
	else if (full)
		return NULL;
	return guests_add(&all, 0, caller, ++now);
}

/* One more with a whole head: whether it gets in. */
static bool
enter(struct caller caller, enum guest_lane lane)
{
	struct guest *g = come(caller);

	assert_non_null(g);
	g->lane = lane;
	guests_move(&all, g, GUEST_QUEUED);
	if (guests_may_enter(&all, g)) {
		guests_move(&all, g, GUEST_INSIDE);
		return true;
	}
	guests_move(&all, g, GUEST_FREE);
	return false;
}

static int
enter_many(enum origin origin, enum guest_lane lane, bool one_address)
{
	int in = 0;

	for (int i = 0; i < 1000; i++)
		in += enter(from(origin, one_address ? 7 : (uint64_t)i), lane);
	return in;
}

static void
test_lanes_are_apart(void **state)
{
	(void)state;
	assert_int_equal(enter_many(ORIGIN_LOCAL, LANE_OPEN, true), GUESTS_OPEN_MAX);
	assert_int_equal(enter_many(ORIGIN_LOCAL, LANE_TOKEN, true), GUESTS_TOKEN_MAX);
	assert_int_equal(enter_many(ORIGIN_LOCAL, LANE_EXPRESS, true), GUESTS_EXPRESS_MAX);
}

static void
test_elsewhere_leaves_room_for_the_host(void **state)
{
	(void)state;
	assert_int_equal(enter_many(ORIGIN_FAR, LANE_OPEN, true), GUESTS_OPEN_ADDRESS_MAX);
	assert_int_equal(enter_many(ORIGIN_FAR, LANE_OPEN, false),
		GUESTS_OPEN_FAR_MAX - GUESTS_OPEN_ADDRESS_MAX);
	assert_int_equal(enter_many(ORIGIN_GATEWAY, LANE_OPEN, true), GUESTS_OPEN_GATEWAY_MAX);
	assert_int_equal(enter_many(ORIGIN_LOCAL, LANE_OPEN, true),
		GUESTS_OPEN_MAX - GUESTS_OPEN_FAR_MAX - GUESTS_OPEN_GATEWAY_MAX);
	/* who shows the token, or asks for health, is in nobody's way */
	assert_true(enter(from(ORIGIN_FAR, 7), LANE_TOKEN));
	assert_true(enter(from(ORIGIN_FAR, 7), LANE_EXPRESS));
}

/* Who has shown nothing for longest goes, of the same address first. */
static void
test_the_first_goes(void **state)
{
	struct guest *first = come(from(ORIGIN_LOCAL, 1)), *mine = NULL;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct guest *g = come(from(ORIGIN_FAR, 9));
		assert_non_null(g);
		if (i == 0)
			mine = g;
	}
	assert_int_equal(all.waiting, 1 + GUESTS_WAITING_ADDRESS_MAX);
	assert_true(mine->since_ns > 2); /* its place is another's by now */
	for (uint64_t i = 0; i < 5000; i++)
		assert_non_null(come(from(ORIGIN_FAR, 100 + i)));
	assert_int_equal(all.waiting_not_local, GUESTS_WAITING_NOT_LOCAL_MAX);
	assert_int_equal(first->state, GUEST_HEAD);
	assert_int_equal(first->caller.origin, ORIGIN_LOCAL);
	for (int i = 0; i < 5000; i++)
		assert_non_null(come(from(ORIGIN_LOCAL, 1)));
	assert_int_equal(all.waiting, GUESTS_WAITING_MAX);
	assert_true(all.used <= GUESTS_MAX);
}

/* Who has had an answer goes before who has not. */
static void
test_the_answered_goes_first(void **state)
{
	struct guest *waits = come(from(ORIGIN_FAR, 9)), *answered, *found;
	bool full;

	(void)state;
	for (int i = 2; i < GUESTS_WAITING_ADDRESS_MAX; i++)
		(void)come(from(ORIGIN_FAR, 9));
	answered = come(from(ORIGIN_FAR, 9));
	guests_move(&all, answered, GUEST_LEAVING);
	found = guests_in_the_way(&all, from(ORIGIN_FAR, 9), &full);
	assert_ptr_equal(found, answered);
	guests_move(&all, answered, GUEST_FREE);
	(void)come(from(ORIGIN_FAR, 9));
	assert_ptr_equal(guests_in_the_way(&all, from(ORIGIN_FAR, 9), &full), waits);
}

static void
test_all_queued(void **state)
{
	bool full;

	(void)state;
	for (int i = 0; i < GUESTS_WAITING_ADDRESS_MAX; i++)
		guests_move(&all, come(from(ORIGIN_FAR, 9)), GUEST_QUEUED);
	assert_null(guests_in_the_way(&all, from(ORIGIN_FAR, 9), &full));
	assert_true(full);
	assert_null(guests_in_the_way(&all, from(ORIGIN_FAR, 10), &full));
	assert_false(full);
}

static void
test_next_is_who_waits_longest(void **state)
{
	struct guest *g[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		g[i] = come(from(ORIGIN_LOCAL, 1));
		g[i]->lane = i == 0 ? LANE_OPEN : LANE_TOKEN;
		guests_move(&all, g[i], GUEST_QUEUED);
	}
	all.inside[LANE_OPEN] = GUESTS_OPEN_MAX;
	assert_ptr_equal(guests_next(&all), g[1]);
	all.inside[LANE_OPEN] = 0;
	assert_ptr_equal(guests_next(&all), g[0]);
}

static struct caller
of_v4(const char *text, const char *gateway)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
	return endpoint_caller((const struct sockaddr *)&a, inet_addr(gateway));
}

static struct caller
of_v6(const char *text, const char *gateway)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};

	assert_int_equal(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
	return endpoint_caller((const struct sockaddr *)&a, inet_addr(gateway));
}

static void
test_callers(void **state)
{
	const struct sockaddr unix_socket = {.sa_family = AF_UNIX};

	(void)state;
	assert_int_equal(endpoint_caller(&unix_socket, 0).origin, ORIGIN_LOCAL);
	assert_int_equal(of_v4("127.0.0.1", "172.17.0.1").origin, ORIGIN_LOCAL);
	assert_int_equal(of_v4("127.8.9.1", "172.17.0.1").origin, ORIGIN_LOCAL);
	assert_int_equal(of_v4("172.17.0.1", "172.17.0.1").origin, ORIGIN_GATEWAY);
	assert_int_equal(of_v4("172.17.0.2", "172.17.0.1").origin, ORIGIN_FAR);
	assert_int_equal(of_v4("0.0.0.0", "0.0.0.0").origin, ORIGIN_FAR);
	assert_int_equal(of_v6("::1", "172.17.0.1").origin, ORIGIN_LOCAL);
	assert_int_equal(of_v6("::ffff:127.0.0.1", "172.17.0.1").origin, ORIGIN_LOCAL);
	assert_int_equal(of_v6("::ffff:172.17.0.1", "172.17.0.1").origin, ORIGIN_GATEWAY);
	assert_int_equal(of_v6("2001:db8::1", "172.17.0.1").origin, ORIGIN_FAR);
	/* an address of IPv6 is worth nothing: whoever has one has 2^64 */
	assert_true(of_v6("2001:db8::1", "0.0.0.0").network ==
		    of_v6("2001:db8::ffff:1", "0.0.0.0").network);
	assert_true(of_v6("2001:db8::1", "0.0.0.0").network !=
		    of_v6("2001:db8:0:1::1", "0.0.0.0").network);
	assert_true(of_v4("10.0.0.1", "0.0.0.0").network != of_v4("10.0.0.2", "0.0.0.0").network);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lanes_are_apart, setup),
		cmocka_unit_test_setup(test_elsewhere_leaves_room_for_the_host, setup),
		cmocka_unit_test_setup(test_the_first_goes, setup),
		cmocka_unit_test_setup(test_the_answered_goes_first, setup),
		cmocka_unit_test_setup(test_all_queued, setup),
		cmocka_unit_test_setup(test_next_is_who_waits_longest, setup),
		cmocka_unit_test(test_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
