#ifndef JOBS_OPERATIONS_OPERATION_H
#define JOBS_OPERATIONS_OPERATION_H

#include <pthread.h>

#include "jobs/operations/operations.h"

/* The inside of struct operation and struct operations, for the two files that make them up. */

enum { PHASE_SIZE = 32, KIND_SIZE = 16, STATE_SIZE = 16 };

struct operation {
	struct operations *ops;
	char id[ID_SIZE];
	char kind[KIND_SIZE];
	char state[STATE_SIZE];
	char phase[PHASE_SIZE];
	char backup[ID_SIZE];
	int64_t created_ns;
	int64_t ended_ns;
	int64_t bytes_done;
	int64_t bytes_total;
	int64_t files_done;
	int64_t sequence;
	int64_t rate_since_ns;
	int64_t rate_from;
	double rate;
	json_t *error;
	json_t *result;
	bool cancel;
	bool dry_run;
	bool decided; /* it cannot be cancelled any more */
	struct operation_start start;
};

/* Where operations run one after the other. */
struct operation_slot {
	pthread_t thread;
	bool threaded;		   /* `thread` is to be joined */
	struct operation *current; /* the running one, or the last that ran; NULL before */
	struct operation *next;	   /* queued behind it, or NULL */
};

struct operations {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopping;
	operations_watcher *watch; /* or NULL */
	void *watch_ctx;
	struct operation_slot slots[LANES];
};

/* With the lock held, all of these. */
bool operation_running(const struct operation *o); /* NULL does not */
json_t *operation_document(const struct operation *o);
void operation_touch(struct operation *o);

/* Into the catalogue.  A full disk must not end an operation: it is only its record. */
void operation_record(struct operation *o);

#endif
