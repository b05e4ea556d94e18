#ifndef STORE_EVICTION_H
#define STORE_EVICTION_H

#include "store/gc/carrier.h"
#include "store/gc/doomed.h"
#include "store/gc/sweep.h"
#include "store/gc/victims.h"
#include "store/read/pace.h"

/* Emptying one pack after the other; the order of steps is the subject of sweep.c. */
struct eviction {
	struct store *store;
	const struct marks *marks; /* these are the sweep's */
	struct pace *pace;
	struct sweep_totals *totals;
	void (*advance)(void *ctx, int64_t bytes); /* of needed records that were copied */
	void *ctx;

	struct carrier carrier;
	struct chunk *rows; /* EVICTION_ROWS of them, */
	bool *needed;	    /* and whether each is needed */
	struct err unread;  /* why the first pack could not be read; ERR_NONE */
};

/* Rows judged at once, and removed in one transaction: about 5 ms of the look-up lock. */
enum { EVICTION_ROWS = 1024 };

void eviction_init(struct eviction *v, struct store *s);
void eviction_free(struct eviction *v); /* also of one that is all zero */

/**
 * eviction_run(v, victim, ret_doomed, e):
 * Move what is needed out of the pack, remove the rest of its rows, doom it.  Returns 1 when it is
 * doomed; 0 if it stays, because a needed record in it is damaged (marked then) or cannot be read
 * (v->unread); -1 on error: what is done is kept, and it may be called again.
 */
int eviction_run(
	struct eviction *v, const struct victim *victim, struct doomed *ret_doomed, struct err *e);

#endif
