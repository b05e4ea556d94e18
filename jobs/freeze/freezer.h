#ifndef JOBS_FREEZE_FREEZER_H
#define JOBS_FREEZE_FREEZER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender/cgroups.h"

/*
 * What holds containers still, behind two calls.  Each container has one of them:
 *	docker	the engine's pause: what the engine knows, shows and refuses other work for;
 *	cgroup	the freezer of the container's own cgroup, whose files the lender lent: some
 *		milliseconds for all of them, and nothing that the engine knows of.
 */
enum hold { HOLD_NONE, HOLD_FROZEN, HOLD_THAWED };

struct freezer;

struct frozen {
	char *id;
	char *name;
	size_t place;		  /* of its freezer in the set's cgroups */
	const struct freezer *by; /* what holds it */
	bool watcher;		  /* it holds the engine's socket: frozen first, thawed last */
	enum hold hold;
	bool unclear; /* a pause was asked for without a clear answer: it may come at any time */
	int64_t frozen_ns;
	int64_t thawed_ns;    /* it runs since; 0: not known yet */
	int64_t switching_ns; /* when it was frozen again for a moment, to make the engine agree */
	struct err error;     /* code ERR_NONE: none */
	struct err fault;     /* why it was not frozen although it was to be (freeze_faults) */
};

struct frozen_set {
	struct engine *engine;
	struct cgroups *cgroups; /* of the items that have one that can be had; NULL: of none */
	struct frozen *items;
	size_t count;
	atomic_bool expired;   /* the freeze is given up: what is being frozen is thawed at once */
	pthread_mutex_t mutex; /* guards what changes in the items */
};

struct freezer {
	const char *name;
	/* Freeze all items that are its own and that run.  Each item's hold says whether it is (or,
	 * without an answer, may be) frozen, its error why it is not although it runs. */
	void (*hold)(struct frozen_set *s);
	/* Thaw all of its own that are frozen.  May be called by two threads at once; each item's
	 * error says why it is not thawed, or the engine not told. */
	void (*release)(struct frozen_set *s);
};

extern const struct freezer freezer_docker;
extern const struct freezer freezer_cgroup;

/* By cgroups wherever they can be had, else by the engine. */
#define FREEZER_AUTO "auto"

/* For the freezers: note, under the set's mutex, that the item was frozen; that it runs, whatever
 * the engine believes; that it was thawed, which is both. */
void frozen_held(struct frozen_set *s, struct frozen *item);
void frozen_runs(struct frozen_set *s, struct frozen *item);
void frozen_released(struct frozen_set *s, struct frozen *item);
bool frozen_is_held(struct frozen_set *s, struct frozen *item);

/*
 * The kernel's switch, in one step with what is noted: whoever gives a freeze up sets ${expired}
 * first, and after his frozen_off nobody switches the item on again.
 *
 * frozen_on: it is held from now on.  frozen_on_again: if it still is.  1; 0: nothing was done, for
 * the freeze is given up or the item was thawed; -1.
 * frozen_off: 0 also if it is not held.
 */
int frozen_on(struct frozen_set *s, struct frozen *item, struct err *e);
int frozen_on_again(struct frozen_set *s, struct frozen *item, struct err *e);
int frozen_off(struct frozen_set *s, struct frozen *item, struct err *e);
void frozen_fail(struct frozen_set *s, struct frozen *item, const struct err *e);

/* What the kernel says: 1: it stands still; 0: it runs or is gone; -1: not known. */
int frozen_state(const struct frozen_set *s, const struct frozen *item);

/* thaw_switch.set and .look, of a frozen_set. */
int frozen_switch(void *set, const char *id, bool frozen, struct err *e);
int frozen_look(void *set, const char *id);

/**
 * frozen_let_go(s):
 * By the kernel alone, so at once: whatever we froze and have not thawed, or may yet be frozen by a
 * pause that we asked for, runs.  Only what has no cgroup stays to be thawed by the engine.
 */
void frozen_let_go(struct frozen_set *s);

/* Everything that was frozen runs. */
bool frozen_all_run(struct frozen_set *s);

/* How many items are held, or to be held, by that. */
size_t frozen_count(const struct frozen_set *s, const struct freezer *by);

void frozen_clear(struct frozen_set *s);

#endif
