#ifndef STORE_CATALOGUE_DAMAGE_H
#define STORE_CATALOGUE_DAMAGE_H

#include <jansson.h>

#include "store/catalogue/chunks.h"
#include "store/catalogue/state.h"

/**
 * damage_note(s, row, ret_backups, e):
 * Mark the chunk of ${row} bad, in the pack in which it stands, and the backups that need it
 * damaged: in one transaction under the look-up lock, held exclusively.  The next backup that has
 * the same bytes stores them again, under the same number (session.c), and so heals it.  Adds to
 * ${ret_backups} how many it marked: none if the row is good elsewhere by now.
 */
int damage_note(struct store *s, const struct chunk *row, int64_t *ret_backups, struct err *e);

/* Take it back: its record was read whole.  Backups that need no other bad chunk are sound again.
 */
int damage_mend(struct store *s, const struct chunk *row, struct err *e);

/* Judge the damaged backups anew, in the caller's transaction that made chunks good. */
int damage_settle(struct connection *w, struct err *e);

/* Whether the encoded recipe needs a chunk that is gone or bad: 1 or 0, -1. */
int damage_of(struct connection *c, const void *recipe, size_t len, struct err *e);

/* Whether a backup is damaged: 1 or 0, -1. */
int damage_any(struct connection *c, struct err *e);

/**
 * damage_backups(s, numbers, count, max, ret_ids, ret_total, e):
 * Which backups need one of these chunks (ascending): a new array of the ids of the newest ${max},
 * newest first, and how many there are.
 */
int damage_backups(struct store *s, const uint64_t *numbers, size_t count, size_t max,
	json_t **ret_ids, int64_t *ret_total, struct err *e);

#endif
