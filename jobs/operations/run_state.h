#ifndef JOBS_OPERATIONS_RUN_STATE_H
#define JOBS_OPERATIONS_RUN_STATE_H

#include <jansson.h>

#include "base/err.h"

/*
 * A small JSON file in <store>/run that tells the next start what this one had begun.
 * Written before what it speaks of is done, removed after it is undone.
 */

/* Durable when it returns 0; replaces an earlier one of that name. */
int run_state_write(int run_fd, const char *name, const json_t *content, struct err *e);

/* What it says, a new object; NULL if there is none, or none that can be read. */
json_t *run_state_read(int run_fd, const char *name);

/* As run_state_read, but one that is there and cannot be read is an error (ERR_CORRUPT, ERR_IO);
 * NULL to
 * ${ret_note} if there is none. */
int run_state_load(int run_fd, const char *name, json_t **ret_note, struct err *e);

/* It being gone already is success. */
int run_state_remove(int run_fd, const char *name, struct err *e);

/* At a start, when all notes have been seen to: remove what a killed process left in the folder,
 * such as sockets and half written files.  Notes that remain stay, and what was left for people
 * (RUN_STATE_LEFT).  Only what nobody has
 * changed since ${before_ns} (clock_real_ns), for this process has begun to write, too. */
#define RUN_STATE_LEFT "left-"
void run_state_sweep(int run_fd, int64_t before_ns);

#endif
