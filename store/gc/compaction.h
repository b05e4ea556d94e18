#ifndef STORE_GC_COMPACTION_H
#define STORE_GC_COMPACTION_H

#include "store/gc/relocation.h"
#include "store/gc/sweep.h"
#include "store/gc/unlink_later.h"
#include "store/gc/victims.h"
#include "store/read/rate_limit.h"

/* Emptying one pack after the other; the order of steps is the subject of sweep.c. */
struct compaction {
	struct store *store;
	const struct live_set *marks; /* these are the sweep's */
	struct rate_limit *pace;
	struct sweep_totals *totals;
	void (*advance)(void *ctx, int64_t bytes); /* of needed records that were copied */
	void *ctx;

	struct relocation carrier;
	struct chunk *rows; /* COMPACTION_ROWS of them, */
	bool *needed;	    /* and whether each is needed */
	struct err unread;  /* why the first pack could not be read; ERR_NONE */
};

/* Rows judged at once, and removed in one transaction: about 5 ms of the look-up lock. */
enum { COMPACTION_ROWS = 1024 };

void compaction_init(struct compaction *v, struct store *s);
void compaction_free(struct compaction *v); /* also of one that is all zero */

/**
 * compaction_run(v, victim, ret_doomed, e):
 * Move what is needed out of the pack, remove the rest of its rows, doom it.  Returns 1 when it is
 * doomed; 0 if it stays, because a needed record in it is damaged (marked then) or cannot be read
 * (v->unread); -1 on error: what is done is kept, and it may be called again.
 */
int compaction_run(struct compaction *v, const struct victim *victim,
	struct unlink_later *ret_doomed, struct err *e);

#endif
