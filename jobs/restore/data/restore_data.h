#ifndef JOBS_RESTORE_DATA_RESTORE_DATA_H
#define JOBS_RESTORE_DATA_RESTORE_DATA_H

#include "base/err.h"
#include "jobs/restore/state/restore_state.h"

/*
 * The data of a restore: what differs is put beside the old, then swapped.
 *
 *	restore_data_open ─> restore_data_compare ─> restore_data_lend ─> restore_data_stage,
 * restore_data_sync ─> (stop, create) ─> restore_data_extract ─> restore_data_swap ─> (start),
 * restore_data_sync ─> restore_data_finish and from restore_data_stage on up to restore_data_sync:
 *─> restore_data_undo
 */
struct restore_data;

/**
 * restore_data_open(r, ret_refill, e):
 * While everything still runs: lend what is there of volumes, binds, host paths and layers (to be
 * written to unless this is a dry run), and see that they can be put back.  Changes nothing.
 */
int restore_data_open(struct restore *r, struct restore_data **ret_refill, struct err *e);

/**
 * restore_data_note(f):
 * Its targets, for a restore_data_resume by another process: a new array.
 */
json_t *restore_data_note(const struct restore_data *f);

/**
 * restore_data_resume(r, targets, ret_refill, e):
 * After a crash: the targets of ${targets} as they were left, ready for restore_data_undo or
 * restore_data_finish.  ${r}: its items as they are now; the layers of those that were made are
 * left out.
 */
int restore_data_resume(
	struct restore *r, const json_t *targets, struct restore_data **ret_refill, struct err *e);
void restore_data_close(struct restore_data *f);

/* While everything runs: where the trees differ from the backup.  Reads only. */
int restore_data_compare(struct restore_data *f, struct err *e);

/**
 * restore_data_astute(f, ret_json, e):
 * After restore_data_compare: how ASTUTE_PATH of the backup differs from the host's
 * (docs/restore.md), a new object; null if the backup has none, or it was not asked for.
 */
int restore_data_astute(struct restore_data *f, json_t **ret_json, struct err *e);

/* Whether the container ${inspect} mounts (and, if ${writable}, may write to) data of ${t}, by
 * their name or by any other: the same folder, one above or one below, or a volume that is bound to
 * it. */
struct target;
bool restore_data_mounts(
	struct restore_data *f, const json_t *inspect, const struct target *t, bool writable);

/* The host's root, opened unless it is: borrowed of ${f}.  -1: it cannot be had. */
int restore_data_host(struct restore_data *f, int *ret_fd, struct err *e);

/* Whether the host has ${path} now; -1: that cannot be seen. */
int restore_data_host_has(struct restore_data *f, const char *path, bool *ret_has, struct err *e);

/* Its targets, whose `active` the caller may still set (impact.h); borrowed. */
size_t restore_data_targets(const struct restore_data *f, struct target **ret_targets);

/* Volumes are made: lend what was not there. */
int restore_data_lend(struct restore_data *f, struct err *e);

/* While everything runs: put what differs beside the old. */
int restore_data_stage(struct restore_data *f, struct err *e);

/* Nothing that may write to a target runs, all containers are made: put beside the old what has
 * changed since, and the new layers; overwrite single files. */
int restore_data_extract(struct restore_data *f, struct err *e);
int restore_data_swap(struct restore_data *f, struct err *e);

/* All that is new is on the disk: before containers are stopped, so that they do not wait for it,
 * and once more before the old data are removed.  By any thread, while the containers start. */
int restore_data_sync(const struct restore_data *f, struct err *e);

/* Remove the old data. */
int restore_data_finish(struct restore_data *f, struct err *e);

/* Put the old data back; what cannot be put back is logged, with the place where it is: then -1.
 * Returns 1 if all is back but for what the restored containers wrote into what had been equal:
 * that would have to come from the backup, which is damaged there. */
int restore_data_undo(struct restore_data *f);

#endif
