#ifndef STORE_DAMAGE_H
#define STORE_DAMAGE_H

#include "store/chunks.h"
#include "store/state.h"

/**
 * damage_note(s, row, ret_backups, e):
 * Mark the chunk of ${row} bad, in the pack in which it stands, and the backups that need it
 * damaged: in one transaction under the look-up lock, held exclusively.  The next backup that has
 * the same bytes stores them again.  Adds to ${ret_backups} how many it marked.
 */
int damage_note(struct store *s, const struct chunk *row, int64_t *ret_backups, struct err *e);

#endif
