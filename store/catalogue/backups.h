#ifndef STORE_CATALOGUE_BACKUPS_H
#define STORE_CATALOGUE_BACKUPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store;

/*
 * The catalogue's rows of backups.  A backup's record is a JSON object whose fields are those of
 * the API; the store itself adds and keeps `id`, `state` and `created_at`.  Thread-safe.
 */

/* Whether a backup in this state (NULL: in none) can be read: it is `complete` or `partial`. */
bool backups_readable(const char *state);

/* Put the backup ${id} on the list, `running`: above all others, whatever time they bear. */
int backups_begin(
	struct store *s, const char *id, int64_t created_ns, const json_t *record, struct err *e);

/* The same for one that was made elsewhere, or long ago: it stands below the first that is younger;
 * one whose time is behind ${now_ns} below all. */
int backups_begin_old(struct store *s, const char *id, int64_t created_ns, int64_t now_ns,
	const json_t *record, struct err *e);

/* So much may a clock be put back, as by NTP, before a time counts as one that is still to come. */
static const int64_t BACKUPS_SLACK_NS = INT64_C(60) * 1000000000;

/* Whether ${created_ns} is still to come: the clock was ahead then, or is behind now. */
bool backups_in_future(int64_t created_ns, int64_t now_ns);

/* Turn it to `failed`, with a record that says why; or take it off the list (record NULL). */
int backups_fail(struct store *s, const char *id, const json_t *record, struct err *e);

/* The record with id, state, created_at, locked, name, rehearsal, proven_at, verified_at, `origin`
 * ("manual" if it is not known), and `future` (true) if its time is still to come; the caller's.
 * ERR_NOT_FOUND. */
int backups_get(struct store *s, const char *id, json_t **ret_record, struct err *e);

/**
 * backups_list(s, limit, after, ret_array, ret_more, e):
 * Up to ${limit} (1..1000) records, of rehearsals only verdict and time, newest first: in the order
 * in which they were made, whatever the clock said.  ${after}: only those behind this id, or NULL.
 * ${ret_more}: whether there are others behind.
 */
int backups_list(struct store *s, int limit, const char *after, json_t **ret_array, bool *ret_more,
	struct err *e);

/**
 * backups_delete(s, id, e):
 * One transaction of a few rows, also on a full disk (the reserve is given up for it).  Chunks are
 * left to the sweep; a download under way goes on.  ERR_NOT_FOUND, ERR_CONFLICT while it is
 * `running` or locked.
 */
int backups_delete(struct store *s, const char *id, struct err *e);

/**
 * backups_prune(s, id, e):
 * As backups_delete, but only a complete or partial backup that is neither locked nor being read.
 * Returns 1, 0 if it is not so, or gone; -1.
 */
int backups_prune(struct store *s, const char *id, struct err *e);

/* Whether a download, a restore or a verification is reading it now. */
bool backups_being_read(struct store *s, const char *id);

/**
 * backups_rehearsed(s, id, verdict, e):
 * Record the verdict of a rehearsal (a JSON object), in place of an earlier one.  It does not stand
 * in the packs.  ERR_NOT_FOUND.
 */
int backups_rehearsed(struct store *s, const char *id, const json_t *verdict, struct err *e);

/* Record that a verification found it whole at ${verified_ns}, or 0: that the last one did not.  It
 * does not stand in the packs.  ERR_NOT_FOUND. */
int backups_verified(struct store *s, const char *id, int64_t verified_ns, struct err *e);

/* What a client may change of a backup. */
struct backups_change {
	int locked; /* 1, 0, or -1: as it is */
	bool named; /* ${name} is its new name, NULL for none */
	const char *name;
};

/* ERR_NOT_FOUND.  Neither stands in the packs: a rebuild knows of no locks and names. */
int backups_change(
	struct store *s, const char *id, const struct backups_change *change, struct err *e);

#endif
