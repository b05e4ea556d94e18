#ifndef JOBS_RESTORE_ROLLBACK_H
#define JOBS_RESTORE_ROLLBACK_H

#include "jobs/restore/restore.h"

/*
 * What makes a restore all or nothing whoever dies: run/restore.json, written before the first step
 * that changes anything.
 *
 *	(none) ──rollback_begin──> undo ──rollback_commit──> finish ──rollback_end──> (none)
 *	                             └──(undone)──> watch ──(all stays up)──> (none)
 *
 * While it says `undo`, whoever finds it puts the old state back; then, while it says `watch`, the
 * old containers are seen to stay up, for a stop that was asked for before the service died may yet
 * end them.  While it says `finish`, the stack is restored and runs, and what was set aside is
 * removed.  All may be done any number of times, and find by themselves how far the restore had
 * come: by names that are made of the operation's id, and by what the engine says.
 *
 * It is written twice, the copy first (restore-copy.json): one that is damaged is no loss.
 */

/* Before anything is changed: the containers as they are (r->items) and the targets (r->refill). */
int rollback_begin(struct restore *r, struct err *e);

/* Before the first container is stopped: from here on a stop may be under way. */
int rollback_stop(struct restore *r, struct err *e);

/* Before the first restored container is started: from here on an undo needs the backup, for what
 * was equal was left in place and may be written to.  The ids of those that were made are noted. */
int rollback_start(struct restore *r, struct err *e);

/* All runs: from here on there is no way back. */
int rollback_commit(struct restore *r, struct err *e);

/* All is undone, but a stop is under way that may end a container yet: see to it later. */
int rollback_await(struct restore *r, struct err *e);

/* Nothing is left to be done. */
int rollback_end(struct restore *r, struct err *e);

/**
 * rollback_note(store, ret_note, e):
 * What is noted: "state" (undo, finish, watch), "id", "backup", "items" and more; a new object,
 * NULL if there is nothing.  ERR_CORRUPT: there is something, and neither copy of it can be read.
 */
int rollback_note(struct store *store, json_t **ret_note, struct err *e);

/**
 * rollback_recover(store, g, left, e):
 * Undo or finish what an earlier process or operation left.  What nobody can put back any more is
 * logged and appended to ${left}: {"kind", "name", "reason"}.  On error it stays noted, and this
 * can be called again.  Not while a restore or a rehearsal runs.  rollback_watch comes next.
 */
int rollback_recover(struct store *store, struct engine *g, json_t *left, struct err *e);

/* How old containers are seen to stay up: a look each ${look_ms}; for ${settle_ms}, or, if a stop
 * may be under way, for the longest time that one was given and ${margin_ms}; or until ${stop} says
 * so. */
struct rollback_patience {
	int64_t look_ms, settle_ms, margin_ms;
	bool (*stop)(void *ctx);
	void *ctx;
};

/**
 * rollback_watch(store, g, patience, left, e):
 * See that the old containers stay up; then nothing is noted any more.  Returns 1 if it was told to
 * stop before that, 0, or -1: it can be called again.  Backups may run beside it.
 */
int rollback_watch(struct store *store, struct engine *g, const struct rollback_patience *patience,
	json_t *left, struct err *e);

/**
 * rollback_abandon(store, left, e):
 * Do nothing more about it: what is beside stays there, and ${left} says where.  Asks no engine.
 */
int rollback_abandon(struct store *store, json_t *left, struct err *e);

/* The backup that a restore, under way or cut off, may need to be undone: it must not be removed.
 * The caller's; NULL if there is none. */
int rollback_backup(struct store *store, char **ret_backup, struct err *e);

#endif
