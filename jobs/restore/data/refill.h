#ifndef JOBS_REFILL_H
#define JOBS_REFILL_H

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * The data of a restore: what differs is put beside the old, then swapped.
 *
 *	refill_open ─> refill_compare ─> refill_lend ─> refill_stage, refill_sync
 *	   ─> (stop, create) ─> refill_extract ─> refill_swap
 *	   ─> (start), refill_sync ─> refill_finish
 *	and from refill_stage on up to refill_sync: ─> refill_undo
 */
struct refill;

/**
 * refill_open(r, ret_refill, e):
 * While everything still runs: lend what is there of volumes, binds, host paths and layers (to be
 * written to unless this is a dry run), and see that they can be put back.  Changes nothing.
 */
int refill_open(struct restore *r, struct refill **ret_refill, struct err *e);

/**
 * refill_note(f):
 * Its targets, for a refill_resume by another process: a new array.
 */
json_t *refill_note(const struct refill *f);

/**
 * refill_resume(r, targets, ret_refill, e):
 * After a crash: the targets of ${targets} as they were left, ready for refill_undo or
 * refill_finish.  ${r}: its items as they are now; the layers of those that were made are left out.
 */
int refill_resume(
	struct restore *r, const json_t *targets, struct refill **ret_refill, struct err *e);
void refill_close(struct refill *f);

/* While everything runs: where the trees differ from the backup.  Reads only. */
int refill_compare(struct refill *f, struct err *e);

/**
 * refill_astute(f, ret_json, e):
 * After refill_compare: how ASTUTE_PATH of the backup differs from the host's (docs/restore.md), a
 * new object; null if the backup has none, or it was not asked for.
 */
int refill_astute(struct refill *f, json_t **ret_json, struct err *e);

/* Whether the container ${inspect} mounts (and, if ${writable}, may write to) data of ${t}, by
 * their name or by any other: the same folder, one above or one below, or a volume that is bound to
 * it. */
struct target;
bool refill_mounts(struct refill *f, const json_t *inspect, const struct target *t, bool writable);

/* Its targets, whose `active` the caller may still set (affected.h); borrowed. */
size_t refill_targets(const struct refill *f, struct target **ret_targets);

/* Volumes are made: lend what was not there. */
int refill_lend(struct refill *f, struct err *e);

/* While everything runs: put what differs beside the old. */
int refill_stage(struct refill *f, struct err *e);

/* Nothing that may write to a target runs, all containers are made: put beside the old what has
 * changed since, and the new layers; overwrite single files. */
int refill_extract(struct refill *f, struct err *e);
int refill_swap(struct refill *f, struct err *e);

/* All that is new is on the disk: before containers are stopped, so that they do not wait for it,
 * and once more before the old data are removed.  By any thread, while the containers start. */
int refill_sync(const struct refill *f, struct err *e);

/* Remove the old data. */
int refill_finish(struct refill *f, struct err *e);

/* Put the old data back; what cannot be put back is logged, with the place where it is: then -1.
 * Returns 1 if all is back but for what the restored containers wrote into what had been equal:
 * that would have to come from the backup, which is damaged there. */
int refill_undo(struct refill *f);

#endif
