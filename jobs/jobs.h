#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include <jansson.h>

#include "base/err.h"
#include "base/id.h"
#include "engine/engine.h"
#include "jobs/import/import.h"
#include "jobs/monitoring/figures.h"
#include "jobs/monitoring/notifier.h"
#include "jobs/operations/operations.h"
#include "jobs/operations/settings.h"
#include "store/open/store.h"

/*
 * What the service does, for its handlers.  Thread-safe.
 */
struct jobs;

struct jobs_options {
	struct store *store;   /* borrowed */
	struct engine *engine; /* borrowed */
	const char *plan_path; /* a plan's JSON file, or NULL: the embedded default */
	struct settings settings;
	struct notifier_options notifier; /* but for `figures` */
	/* Asked before a backup or a restore, unless it is forced: -1 refuses it.  May take its
	 * time.  NULL: nobody is asked. */
	int (*preflight)(void *ctx, struct err *e);
	void *preflight_ctx;
};

/**
 * jobs_open(options, ret_jobs, e):
 * Marks cut-off operations, and begins, beside the caller, to thaw what an earlier run left frozen
 * and to put right what else it left (recovery.h).
 * ERR_INVALID if the plan's file is wrong.
 */
int jobs_open(const struct jobs_options *options, struct jobs **ret_jobs, struct err *e);

/* Cancel what runs, thaw, and wait.  Idempotent; then jobs_close. */
void jobs_stop(struct jobs *j);
void jobs_close(struct jobs *j);

struct operations *jobs_operations(struct jobs *j);

/**
 * jobs_backup(j, request, id, e):
 * Start a backup.  ${request}: NULL or an object with the fields of a plan (docs/plan.md), which
 * replaces the default plan; {"force": true} besides: without a pre-flight.  If the plan has
 * `keep`, older backups of it are pruned at the end. ERR_INVALID, ERR_OCCUPIED, ERR_PREFLIGHT,
 * ERR_BUSY (the running operation in ${id}), ERR_UNREACHABLE, ERR_NO_SPACE.
 */
int jobs_backup(struct jobs *j, const json_t *request, char id[ID_SIZE], struct err *e);

/**
 * jobs_restore(j, backup, request, id, e):
 * Start a restore.  ${request}: NULL or {"host_paths": bool, "astute": bool, "force": bool} (see
 * docs/restore.md).
 */
int jobs_restore(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e);

/**
 * jobs_rehearse(j, backup, request, id, e):
 * Start a rehearsal of a backup, beside what else runs but a restore.  ${request}: NULL or the
 * limits of rehearsal_parse.  ERR_BUSY as jobs_backup.
 */
int jobs_rehearse(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e);

/**
 * jobs_prune(j, request, ret_result, e):
 * Remove the backups of the default plan that are not to be kept, or tell which (prune.h).
 */
int jobs_prune(struct jobs *j, const json_t *request, json_t **ret_result, struct err *e);

/**
 * jobs_import(j, request, id, e):
 * Start an import of what ${request} (import.h; its store and engine are filled in) has as a body.
 * Its `leave` is called in any case.  ERR_BUSY (the running operation in ${id}), ERR_NO_SPACE.
 */
int jobs_import(
	struct jobs *j, const struct import_request *request, char id[ID_SIZE], struct err *e);

/**
 * jobs_delete(j, backup, e):
 * As backups_delete; then a sweep is started.  ERR_CONFLICT too while a restore may need the backup
 * to be undone.
 */
int jobs_delete(struct jobs *j, const char *backup, struct err *e);

/* The destinations' documents (jobs/copies/destinations.h); a new array, a new object. */
int jobs_destinations(struct jobs *j, json_t **ret_array, struct err *e);
int jobs_destination(struct jobs *j, const char *name, json_t **ret_document, struct err *e);

/**
 * jobs_destination_put(j, name, settings, ret_document, ret_new, e):
 * Keep it, and probe it: what that finds is in the document, and no error.  ERR_INVALID,
 * ERR_CONFLICT (too many).
 */
int jobs_destination_put(struct jobs *j, const char *name, const json_t *settings,
	json_t **ret_document, bool *ret_new, struct err *e);

/* Probe it once more; a new object (jobs/copies/probe.h). */
int jobs_destination_probe(struct jobs *j, const char *name, json_t **ret_probe, struct err *e);

/* Forget it.  What was copied there stays there. */
int jobs_destination_delete(struct jobs *j, const char *name, struct err *e);

/**
 * jobs_copy(j, backup, request, id, e):
 * Start a copy of a backup.  ${request}: {"destination": name}.  ERR_BUSY (the running copy in
 * ${id}), ERR_FORBIDDEN (the destination may not have it in clear), ERR_NOT_FOUND, ERR_CONFLICT.
 */
int jobs_copy(
	struct jobs *j, const char *backup, const json_t *request, char id[ID_SIZE], struct err *e);

/* Add `copies` to a backup's record (copies_of). */
void jobs_tell_copies(struct jobs *j, json_t *record);

/* Start a verification: every chunk is read back and the tar's structure checked. */
int jobs_verify(struct jobs *j, const char *backup, char id[ID_SIZE], struct err *e);

/**
 * jobs_sweep(j, id, e):
 * Start a sweep of the store, in the background: never ERR_BUSY.  While one runs, ${id} is that of
 * another behind it.
 */
int jobs_sweep(struct jobs *j, char id[ID_SIZE], struct err *e);

/**
 * jobs_scrub(j, slice_bytes, id, e):
 * Read the whole store back (${slice_bytes} 0), or the next so many bytes of it; in the background,
 * as jobs_sweep.
 */
int jobs_scrub(struct jobs *j, int64_t slice_bytes, char id[ID_SIZE], struct err *e);

/* What a backup of the default plan would contain now, with sizes; a new object. */
int jobs_plan(struct jobs *j, json_t **ret_plan, struct err *e);

/* Whether all containers are in a backup of the last day (coverage.h); a new object. */
int jobs_coverage(struct jobs *j, json_t **ret_coverage, struct err *e);

/* Thaw whatever this service froze; a new object {"thawed": [names]}. */
int jobs_thaw(struct jobs *j, json_t **ret_thawed, struct err *e);

/* What is pending of a restore that was cut off (recovery_state); a new object. */
json_t *jobs_recovery(struct jobs *j);

/* Try it now, or with {"abandon": true} give it up; then as jobs_recovery.  ${request}: NULL or an
 * object.  ERR_INVALID, ERR_NOT_FOUND, ERR_BUSY. */
int jobs_recover(struct jobs *j, const json_t *request, json_t **ret_state, struct err *e);

/* What is to be measured now. */
int jobs_figures(struct jobs *j, struct figures *ret_figures, struct err *e);

/**
 * jobs_health(j, ret_well):
 * Whether a backup could begin now, at once whatever hangs (health.h).  A new object: status ("ok"
 * | "degraded"), missing (sentences), version, engine {reachable, version, api, error}, store
 * {path, free_bytes, packs_bytes, chunks, encrypted}, operation (id of the running one or null),
 * checked_at, age_ms, host (its
 * name as the engine has it, or null), clock_ahead_ms (of the engine's clock; null: not known),
 * recovery (recovery_brief).
 */
json_t *jobs_health(struct jobs *j, bool *ret_well);

#endif
