#ifndef STORE_CATALOGUE_RESERVE_H
#define STORE_CATALOGUE_RESERVE_H

#include <stdbool.h>

#include "store/catalogue/state.h"

/*
 * The file `reserve`: room held back, so that on a full disk there is still enough for the
 * transaction that deletes a backup.
 */

/*
 * Make it unless it is there; smaller where there is less room, and without it where there is none:
 * a full store must open too.
 */
void reserve_make(struct store *s);

/* Give its room free.  False if there was none to give. */
bool reserve_give(struct store *s);

#endif
