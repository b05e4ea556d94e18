#ifndef STORE_OPEN_UNLOCK_H
#define STORE_OPEN_UNLOCK_H

#include "store/catalogue/state.h"
#include "store/open/store.h"

/**
 * unlock_store(s, options, e):
 * Decide what a held store is, before its catalogue is opened, and find its keys:
 *
 *	`keys`   secret   there is a catalogue or a pack
 *	no	 no	  any	 plain
 *	no	 yes	  no	 encrypted from now on: `keys` is made before anything else
 *	no	 yes	  yes	 ERR_DENIED: what is stored already would stay as it is, or its
 *				 keys are lost
 *	yes	 no	  any	 ERR_DENIED
 *	yes	 yes	  any	 encrypted, if the secret opens a slot; else ERR_DENIED
 *
 * Where the catalogue is gone, the first pack must fit: nothing may be made of a store without its
 * keys, or with another's.  (Where it is there, it has a mark: catalogue_open.)
 */
int unlock_store(struct store *s, const struct store_options *options, struct err *e);

#endif
