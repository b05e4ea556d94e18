#ifndef STORE_STALE_H
#define STORE_STALE_H

#include "store/pace.h"
#include "store/state.h"

/**
 * stale_drop(s, pace, e):
 * Remove the rows of the caches (segments.h) that name chunks which are gone.  They would not be
 * believed, but they would stay.  Reads the index and the caches once, some rows at a time.
 */
int stale_drop(struct store *s, const struct pace *pace, struct err *e);

#endif
