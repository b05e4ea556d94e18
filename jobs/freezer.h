#ifndef JOBS_FREEZER_H
#define JOBS_FREEZER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/lender.h"

/*
 * What holds containers still, behind two calls.
 *	docker	the engine's pause: what the engine knows, shows and refuses other work for;
 *	cgroup	the freezer of each container's own cgroup, through the lender: some milliseconds
 *		for all of them, and nothing that the engine knows of.
 */
enum hold { HOLD_NONE, HOLD_FROZEN, HOLD_THAWED };

struct frozen {
	char *id;
	char *name;
	bool watcher; /* it holds the engine's socket: frozen first, thawed last */
	enum hold hold;
	int64_t frozen_ns;
	int64_t thawed_ns;
	struct err error; /* code ERR_NONE: none */
};

struct frozen_set {
	struct engine *engine;
	struct lender *lender; /* holds their ids as the guard */
	const char *run_path;  /* <store>/run */
	struct lender *spare;  /* for frozen_switch where the guard cannot; NULL until then */
	pthread_mutex_t help;  /* one of them is asked at a time */
	struct frozen *items;
	size_t count;
	atomic_bool expired;   /* the time is up: what is being frozen is thawed at once */
	pthread_mutex_t mutex; /* guards what changes in the items */
};

struct freezer {
	const char *name;
	/* Whatever takes time and may be done before the freeze.  -1: it cannot be done here. */
	int (*prepare)(struct frozen_set *s, struct err *e);
	/* Freeze all.  Each item's hold says whether it is (or, without an answer, may be) frozen,
	 * its error why it is not although it runs. */
	void (*hold)(struct frozen_set *s);
	/* Thaw all that are frozen.  May be called by two threads at once; each item's error says
	 * why it is not thawed. */
	void (*release)(struct frozen_set *s);
};

extern const struct freezer freezer_docker;
extern const struct freezer freezer_cgroup;

/* The freezer of that name, or NULL. */
const struct freezer *freezer_named(const char *name);

/* For the freezers: note, under the set's mutex, that the item was frozen, or thawed, now. */
void frozen_held(struct frozen_set *s, struct frozen *item);
void frozen_released(struct frozen_set *s, struct frozen *item);
bool frozen_is_held(struct frozen_set *s, struct frozen *item);

/* A lender that does ${use} and lends nothing; the caller's. */
int frozen_lender(
	struct frozen_set *s, enum lender_cgroups use, struct lender **ret_lender, struct err *e);

/* thaw_switch.set, of a frozen_set: by the guard, or by a lender of its own if that is gone. */
int frozen_switch(void *set, const char *id, bool frozen, struct err *e);

void frozen_fail(struct frozen_set *s, struct frozen *item, const struct err *e);

#endif
