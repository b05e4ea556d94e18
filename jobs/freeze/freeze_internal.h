#ifndef JOBS_FREEZE_FREEZE_INTERNAL_H
#define JOBS_FREEZE_FREEZE_INTERNAL_H

#include "jobs/freeze/freeze.h"

/* The inside of struct freeze, for the files that make it up. */

/* Why a freeze is not what it was to be: what was copied in it is of no single instant. */
enum broken {
	BROKEN_NOT,
	BROKEN_TIME,	/* the time was up */
	BROKEN_HAND,	/* POST /thaw */
	BROKEN_GUARD,	/* the guard died */
	BROKEN_SOCKET,	/* the engine's socket is stale */
	BROKEN_TOUCHED, /* somebody else thawed one of them */
};

struct freeze {
	struct frozen_set set;
	struct lender *guard;
	int run_fd;
	int64_t max_ms;
	bool faults;
	bool nudges;	  /* the mark is an event of the guard's: the engine tells of no question */
	int64_t begin_ns; /* clock_mono_ns; for what is told */
	int64_t end_ns;
	int64_t until_ns; /* clock_boot_ns: when the time is up */
	bool done;
	atomic_int broken; /* enum broken; the first reason stays */

	pthread_t watcher; /* freeze_watch.c */
	pthread_t helper;  /* tells the engine meanwhile */
	bool watched, helped;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool over; /* the watcher need not go on */
	struct freeze *next;
};

/* Thaw by both freezers; the errors are the items'. */
void freeze_release(struct frozen_set *s);

/* The first error of an item; 0 if there is none. */
int freeze_first_error(struct frozen_set *s, struct err *e);

/**
 * freeze_watch_begin(f, e), freeze_watch_end(f):
 * From the one to the other the freeze is watched by a thread of its own, and is among those that
 * freeze_interrupt breaks.  The end is idempotent.
 */
int freeze_watch_begin(struct freeze *f, struct err *e);
void freeze_watch_end(struct freeze *f);

/* It is not what it was to be: all is let go at once. */
void freeze_break(struct freeze *f, enum broken why);

/* What freeze_check says then. */
int freeze_broken_error(const struct freeze *f, enum broken why, struct err *e);

#endif
