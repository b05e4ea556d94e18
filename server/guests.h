#ifndef SERVER_GUESTS_H
#define SERVER_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/endpoint.h"

/*
 * The connections that there are, and how many of each kind there may be.  No input or output, no
 * clock and no lock: those are the gate's.
 *
 *	[accepted] ──> HEAD ──> QUEUED ──> INSIDE ──> LEAVING ──> (free)
 *	                │ bad, late          │ answered   ^ read to its end, or 2 s
 *	                └────────────────────┼────────────┘
 *	                                     └ late: cut
 *
 * In HEAD, QUEUED and LEAVING a connection costs a descriptor, and neither a thread nor memory;
 * INSIDE it has a thread of libmicrohttpd's.  So a client has to show a whole head before it costs
 * more than its descriptor, and the slots inside are shared out by what the head shows:
 *
 *	EXPRESS  GET /health; POST /thaw with the token
 *	TOKEN    whatever has the token
 *	OPEN     all others, of which those from elsewhere never take all, nor one of them many
 */
enum guest_state { GUEST_FREE, GUEST_HEAD, GUEST_QUEUED, GUEST_INSIDE, GUEST_LEAVING };
enum guest_lane { LANE_EXPRESS, LANE_TOKEN, LANE_OPEN, GUEST_LANES };

enum {
	/* With a thread each. */
	GUESTS_EXPRESS_MAX = 16,
	GUESTS_TOKEN_MAX = 96,
	GUESTS_OPEN_MAX = 32,
	GUESTS_OPEN_GATEWAY_MAX = 14, /* of them; so 4 stay for the host itself */
	GUESTS_OPEN_FAR_MAX = 14,
	GUESTS_OPEN_ADDRESS_MAX = 6, /* of these for one address */
	GUESTS_INSIDE_MAX = GUESTS_EXPRESS_MAX + GUESTS_TOKEN_MAX + GUESTS_OPEN_MAX,

	/* Without: if there are more, the one that has shown nothing for longest goes. */
	GUESTS_WAITING_MAX = 1024,
	GUESTS_WAITING_NOT_LOCAL_MAX = 896,
	GUESTS_WAITING_ADDRESS_MAX = 128, /* for one address from elsewhere */
	GUESTS_MAX = GUESTS_WAITING_MAX + GUESTS_INSIDE_MAX
};

struct guest {
	enum guest_state state;
	enum guest_lane lane; /* of one that is queued or inside */
	int fd;
	struct caller caller;
	int64_t since_ns;    /* when it came */
	int64_t deadline_ns; /* when it is cut; 0: not at all */
	int64_t left_ns;     /* of the deadline, while it is not the client who is waited for */
	int64_t unread;	     /* LEAVING: bytes that are still read */
	bool watched;	     /* its descriptor is, by epoll */
};

struct guests {
	struct guest all[GUESTS_MAX];
	int used; /* those behind were never used */
	int hint; /* where one may be free */
	int inside[GUEST_LANES];
	int open[ORIGINS]; /* of LANE_OPEN, by origin */
	int waiting, waiting_not_local;
};

/* Whether ${g} waits: it has no thread. */
bool guest_waits(const struct guest *g);

/* The only functions that change a state.  guests_add gives a guest in GUEST_HEAD; NULL: full. */
struct guest *guests_add(struct guests *all, int fd, struct caller caller, int64_t now_ns);
void guests_move(struct guests *all, struct guest *g, enum guest_state to);

/* To another lane, of a guest that is queued or inside. */
void guests_change_lane(struct guests *all, struct guest *g, enum guest_lane to);

/**
 * guests_in_the_way(all, caller, ret_full):
 * Who has to go before one more from ${caller} can be let in: a guest that is LEAVING or in
 * GUEST_HEAD, the one that came first; NULL with ${ret_full} false: nobody; with true: all are
 * queued.
 */
struct guest *guests_in_the_way(struct guests *all, struct caller caller, bool *ret_full);

/* Whether there is a slot inside for ${g}, which is queued. */
bool guests_may_enter(const struct guests *all, const struct guest *g);

/* The one that may enter and has waited longest; NULL: none. */
struct guest *guests_next(struct guests *all);

struct guest *guests_of_fd(struct guests *all, int fd); /* the one INSIDE; NULL: none */

#endif
