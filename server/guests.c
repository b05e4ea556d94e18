#include "server/guests.h"

#include <assert.h>
#include <stddef.h>

static const int lane_max[GUEST_LANES] = {
	[LANE_EXPRESS] = GUESTS_EXPRESS_MAX,
	[LANE_TOKEN] = GUESTS_TOKEN_MAX,
	[LANE_OPEN] = GUESTS_OPEN_MAX,
};
static const int open_max[ORIGINS] = {
	[ORIGIN_LOCAL] = GUESTS_OPEN_MAX,
	[ORIGIN_GATEWAY] = GUESTS_OPEN_GATEWAY_MAX,
	[ORIGIN_FAR] = GUESTS_OPEN_FAR_MAX,
};

bool
guest_waits(const struct guest *g)
{
	return g->state == GUEST_HEAD || g->state == GUEST_QUEUED || g->state == GUEST_LEAVING;
}

static void
guests_count(struct guests *all, const struct guest *g, int by)
{
	if (guest_waits(g)) {
		all->waiting += by;
		if (g->caller.origin != ORIGIN_LOCAL)
			all->waiting_not_local += by;
	}
	if (g->state != GUEST_INSIDE)
		return;
	all->inside[g->lane] += by;
	if (g->lane == LANE_OPEN)
		all->open[g->caller.origin] += by;
}

void
guests_move(struct guests *all, struct guest *g, enum guest_state to)
{
	guests_count(all, g, -1);
	g->state = to;
	guests_count(all, g, 1);
	if (to == GUEST_FREE)
		all->hint = (int)(g - all->all);
}

void
guests_change_lane(struct guests *all, struct guest *g, enum guest_lane to)
{
	guests_count(all, g, -1);
	g->lane = to;
	guests_count(all, g, 1);
}

struct guest *
guests_add(struct guests *all, int fd, struct caller caller, int64_t now_ns)
{
	struct guest *g = NULL;

	for (int i = 0; i < all->used && g == NULL; i++) {
		struct guest *at = &all->all[(all->hint + i) % all->used];
		if (at->state == GUEST_FREE)
			g = at;
	}
	if (g == NULL && all->used < GUESTS_MAX)
		g = &all->all[all->used++];
	if (g == NULL)
		return NULL;
	*g = (struct guest){.fd = fd, .caller = caller, .since_ns = now_ns};
	all->hint = (int)(g - all->all) + 1;
	guests_move(all, g, GUEST_HEAD);
	return g;
}

/* Which guests a limit is about. */
struct set {
	bool everybody, not_local; /* else those of ${network} */
	uint64_t network;
};

static bool
guests_is_in(const struct set *s, const struct guest *g)
{
	if (!guest_waits(g))
		return false;
	if (s->everybody || g->caller.origin == ORIGIN_LOCAL)
		return s->everybody;
	return s->not_local || (g->caller.origin == ORIGIN_FAR && g->caller.network == s->network);
}

/* Rather one that has had its answer than one that has said nothing yet; of those the first. */
static bool
goes_before(const struct guest *g, const struct guest *other)
{
	if (g->state == GUEST_QUEUED)
		return false;
	if (other == NULL || g->state != other->state)
		return other == NULL || g->state == GUEST_LEAVING;
	return g->since_ns < other->since_ns;
}

static struct guest *
first_to_go(struct guests *all, const struct set *s, int *ret_count)
{
	struct guest *found = NULL;

	*ret_count = 0;
	for (int i = 0; i < all->used; i++) {
		struct guest *g = &all->all[i];
		if (!guests_is_in(s, g))
			continue;
		(*ret_count)++;
		if (goes_before(g, found))
			found = g;
	}
	return found;
}

struct guest *
guests_in_the_way(struct guests *all, struct caller caller, bool *ret_full)
{
	const struct set network = {.network = caller.network}, not_local = {.not_local = true},
			 everybody = {.everybody = true};
	struct guest *g;
	int of_set;

	*ret_full = true;
	if (caller.origin == ORIGIN_FAR) {
		g = first_to_go(all, &network, &of_set);
		if (of_set >= GUESTS_WAITING_ADDRESS_MAX)
			return g;
	}
	if (caller.origin != ORIGIN_LOCAL && all->waiting_not_local >= GUESTS_WAITING_NOT_LOCAL_MAX)
		return first_to_go(all, &not_local, &of_set);
	if (all->waiting >= GUESTS_WAITING_MAX)
		return first_to_go(all, &everybody, &of_set);
	*ret_full = false;
	return NULL;
}

static int
inside_of_network(const struct guests *all, uint64_t network)
{
	int found = 0;

	for (int i = 0; i < all->used; i++) {
		const struct guest *g = &all->all[i];
		found += g->state == GUEST_INSIDE && g->lane == LANE_OPEN &&
			 g->caller.origin == ORIGIN_FAR && g->caller.network == network;
	}
	return found;
}

bool
guests_may_enter(const struct guests *all, const struct guest *g)
{
	const enum origin origin = g->caller.origin;

	if (all->inside[g->lane] >= lane_max[g->lane])
		return false;
	if (g->lane != LANE_OPEN)
		return true;
	if (all->open[origin] >= open_max[origin])
		return false;
	return origin != ORIGIN_FAR ||
	       inside_of_network(all, g->caller.network) < GUESTS_OPEN_ADDRESS_MAX;
}

struct guest *
guests_next(struct guests *all)
{
	struct guest *found = NULL;

	for (int i = 0; i < all->used; i++) {
		struct guest *g = &all->all[i];
		if (g->state == GUEST_QUEUED && guests_may_enter(all, g) &&
			(found == NULL || g->since_ns < found->since_ns))
			found = g;
	}
	return found;
}

struct guest *
guests_of_fd(struct guests *all, int fd)
{
	for (int i = 0; i < all->used; i++)
		if (all->all[i].state == GUEST_INSIDE && all->all[i].fd == fd)
			return &all->all[i];
	return NULL;
}
