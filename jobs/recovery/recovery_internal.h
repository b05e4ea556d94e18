#ifndef JOBS_RECOVERY_RECOVERY_INTERNAL_H
#define JOBS_RECOVERY_RECOVERY_INTERNAL_H

#include <pthread.h>

#include "jobs/recovery/recovery.h"

/* What recovery.c and recovery_request.c share; nobody else includes it. */

/* How often those who wait look; how long a request waits for a try. */
enum { LOOK_MS = 200, TRY_MS = 30 * 1000 };

enum phase { PHASE_IDLE, PHASE_TRYING, PHASE_WAITING, PHASE_WATCHING };

struct recovery {
	struct store *store;
	struct engine *engine;
	int64_t opened_ns; /* clock_real_ns */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool threaded, stopping;

	enum phase phase;
	bool due;	     /* there is something to be looked at */
	bool settled;	     /* what the last run left has been seen to */
	bool now;	     /* do not wait for the next try */
	bool abandon;	     /* it is to be given up */
	int users;	     /* operations that are in */
	int64_t attempts;    /* since it is pending */
	int64_t tries_ended; /* ever */
	int64_t since_ns;    /* clock_real_ns */
	int64_t failing_ns;  /* clock_mono_ns: since the engine answers and it fails; or 0 */
	struct err error;    /* of the last try */
	json_t *restore;     /* what is noted, in brief, or NULL */
	json_t *left;	     /* of this one, so far */
	json_t *last;	     /* of the last one, or NULL */
};

/* With the lock held, all of these. */

/* Until something changes, at most so long. */
void recovery_wait_ms(struct recovery *r, int64_t ms);

/* See what is noted: true if there is something.  A note that cannot be read is something. */
bool recovery_look(struct recovery *r);

/* There is something to be put right. */
void recovery_begin(struct recovery *r);

/* Whether ${e} says that the engine is away. */
bool recovery_is_away(const struct err *e);

#endif
