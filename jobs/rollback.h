#ifndef JOBS_ROLLBACK_H
#define JOBS_ROLLBACK_H

#include "jobs/restore.h"

/*
 * What makes a restore all or nothing whoever dies: run/restore.json, written before the first step
 * that changes anything.
 *
 *	(none) ──rollback_begin──> undo ──rollback_commit──> finish ──rollback_end──> (none)
 *
 * While it says `undo`, whoever finds it puts the old state back; while it says `finish`, the stack
 * is restored and runs, and what was set aside is removed.  Both may be done any number of times,
 * and find by themselves how far the restore had come: by names that are made of the operation's
 * id, and by what the engine says.
 */

/* Before anything is changed: the containers as they are (r->items) and the targets (r->refill). */
int rollback_begin(struct restore *r, struct err *e);

/* Before the first restored container is started: from here on an undo needs the backup, for what
 * was equal was left in place and may be written to. */
int rollback_start(struct restore *r, struct err *e);

/* All runs: from here on there is no way back. */
int rollback_commit(struct restore *r, struct err *e);

/* Nothing is left to be done. */
int rollback_end(struct restore *r, struct err *e);

/**
 * rollback_recover(store, g, e):
 * Put right what an earlier process left, and log it.  On error what is left stays noted.  Not
 * while a restore runs.
 */
int rollback_recover(struct store *store, struct engine *g, struct err *e);

/* The backup that a restore, under way or cut off, may need to be undone: it must not be removed.
 * The caller's; NULL if there is none. */
char *rollback_backup(struct store *store);

#endif
